"""Servers are waited for, ended with all that they started, and reported when they die. Real processes throughout."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from flows import processes

FAMILY = """
import os, pathlib, signal, subprocess, sys, time
kind = sys.argv[1]
child = "import signal, time; {} print('up', flush=True); time.sleep(600)"
ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
started = subprocess.Popen(
    [sys.executable, "-c", child.format("" if kind == "meek" else ignore)], stdout=subprocess.PIPE, text=True
)
started.stdout.readline()
if kind == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("child.tmp").write_text(str(started.pid))
os.replace("child.tmp", "child")
if kind == "orphan":
    os._exit(0)
time.sleep(600)
"""
"""A server with a worker. meek: both end at SIGTERM; worker: that one does not; deaf: neither; orphan: ends early."""
SERVER = """
import http.server, os, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Answer.asked += 1
        self.send_response(200 if Answer.asked > 2 else 503)
        self.end_headers()
    def log_message(self, *_):
        print(os.environ["GREETING"], Answer.asked, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
DIES = 'raise SystemExit("the disk is full")'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `python -m <module>` finds the modules above, and what they write."""
    for name, text in {"family": FAMILY, "server": SERVER, "dies": DIES}.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _child(folder: Path) -> int:
    for _ in range(600):
        if (folder / "child").exists():
            return int((folder / "child").read_text())
        time.sleep(0.05)
    raise AssertionError("no child")


def _there(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("kind", ["meek", "worker", "deaf", "orphan"])
def test_the_whole_group_is_ended(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 1)
    with processes.running(["family", kind], log=folder / "log") as process:
        pid = process.pid
        child = _child(folder)
        assert _there(child)
        assert os.getpgid(child) == pid
        assert _there(pid) or kind == "orphan"
    assert not _there(pid)
    assert not _there(child)


def test_it_is_ended_when_its_user_fails(folder: Path) -> None:
    with pytest.raises(KeyError), processes.running(["family", "meek"], log=folder / "log") as process:
        raise KeyError(_child(folder))
    assert not _there(process.pid)
    assert not _there(_child(folder))


def test_nobody_else_is_ended(folder: Path) -> None:
    (folder / "other").mkdir()
    with processes.running(["family", "meek"], log=folder / "other" / "log") as process:
        child = _child(folder)
        (folder / "child").unlink()
        with processes.running(["family", "meek"], log=folder / "log"):
            _child(folder)
        assert _there(process.pid)
        assert _there(child)


def test_it_can_be_used_once_its_url_answers_200(folder: Path) -> None:
    log, number = folder / "deep" / "log", processes.port()
    url = f"http://127.0.0.1:{number}/ready"
    with processes.running(["server", str(number)], log=log, ready=url, environment={"GREETING": "hello"}):
        assert log.read_text().splitlines() == ["hello 1", "hello 2", "hello 3"]


def test_one_that_dies_is_reported_at_once_with_its_log(folder: Path) -> None:
    url = f"http://127.0.0.1:{processes.port()}"
    context = processes.running(["dies"], log=folder / "log", ready=url)
    with pytest.raises(processes.StartError) as caught:
        context.__enter__()
    assert str(caught.value) == f"{url}: the server ended with 1; {folder / 'log'} ends with:\nthe disk is full"


def test_one_that_ends_later_is_noticed_with_its_log(folder: Path) -> None:
    log = folder / "log"
    with processes.running(["family", "worker"], log=log) as process:
        _child(folder)
        processes.check(process, log)
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        log.write_text("the disk is full\n")
        with pytest.raises(processes.EndedError) as caught:
            processes.check(process, log)
    assert str(caught.value) == f"the server ended with -9; {log} ends with:\nthe disk is full"


def test_one_that_never_answers_is_reported_and_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 2)
    context = processes.running(["family", "meek"], log=folder / "log", ready=f"http://127.0.0.1:{processes.port()}")
    with pytest.raises(processes.StartError, match="was not ready in 2 s"):
        context.__enter__()
    assert not _there(_child(folder))


def test_a_port_is_the_wanted_one_unless_somebody_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        other = processes.port(wanted)
        assert other != wanted
        assert other in processes.PORTS
    assert processes.port(other) == other
