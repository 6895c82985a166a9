"""Servers that a flow starts for a while: wait until they answer, end them by pid, escalate when they do not listen."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS = 120
# Below what kernels hand out by themselves (Linux 32768, IANA 49152) and above the well-known ones.
PORTS = range(20_000, 30_000)
ATTEMPTS = 100
STOP_SECONDS = 15


class StartError(RuntimeError):
    """A server did not come up; the message ends with its log."""


class EndedError(RuntimeError):
    """A server ended though nobody had told it to; the message ends with its log."""


def port(wanted: int | None = None) -> int:
    """`wanted` if nobody listens there on loopback, else, or if none is wanted, one that is free.

    Never one that the kernel would choose (bind to 0): the kernel hands those out again, also as the near end of an
    outgoing connection, so that it may be taken in the seconds before the server binds it.
    """
    others = random.SystemRandom().sample(PORTS, k=ATTEMPTS)
    for candidate in others if wanted is None else [wanted, *others]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    raise StartError(f"no free port on 127.0.0.1: {ATTEMPTS} of {PORTS.start} to {PORTS.stop - 1} tried")


@contextmanager
def running(
    arguments: list[str], *, log: Path, ready: str | None = None, environment: Mapping[str, str] | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    """Runs `python -m <arguments>` in a process group of its own for the time of the context.

    Args:
        arguments: module and arguments.
        log: where its output goes.
        ready: a URL that answers 200 once the server can be used.
        environment: added to this process's.

    Raises:
        StartError: it ended early or did not become ready in two minutes.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables | dict(environment or {}),
            start_new_session=True,
        )
    try:
        if ready:
            _wait(process, ready, log)
        yield process
    finally:
        _stop(process)


def check(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Raises EndedError when a server that should run has ended."""
    if process.poll() is not None:
        raise EndedError(f"{_ended(process)}; {_tail(log)}")


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.2)
    said = f"the server was not ready in {START_SECONDS} s" if process.poll() is None else _ended(process)
    raise StartError(f"{url}: {said}; {_tail(log)}")


def _ended(process: "subprocess.Popen[bytes]") -> str:
    return f"the server ended with {process.returncode}"


def _tail(log: Path) -> str:
    last = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    return f"{log} ends with:\n{last}"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends the whole group: a server's workers may outlive it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_SECONDS
        there = _signal(process.pid, number)
        while there and time.monotonic() < deadline:
            time.sleep(0.05)
            process.poll()  # reaps the first of the group, which would be there for ever otherwise
            there = _signal(process.pid, 0)
        if not there:
            break
    process.wait()


def _signal(group: int, number: int) -> bool:
    """Whether the group had anybody to take it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
