"""A file is wholly old or wholly new, also when the writer is killed in between."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import digest
import durable

ROOT = Path(__file__).parents[1]
KILLED_BEFORE_THE_RENAME = """
import os, pathlib, signal, sys
import durable
def kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = kill
durable.write_bytes(pathlib.Path(sys.argv[1]), b"new" * 100_000)
"""
WRITES_FOREVER = """
import pathlib, sys
import durable
path = pathlib.Path(sys.argv[1])
print("writing", flush=True)
while True:
    for letter in (b"a", b"b"):
        durable.write_bytes(path, letter * 200_000)
"""


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_bytes_arrive_and_replace_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    durable.write_bytes(path, b"one")
    assert path.read_bytes() == b"one"
    durable.write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert _names(path.parent) == ["file"]


def test_json_is_sorted_indented_and_ends_with_a_newline(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    durable.write_json(path, {"b": 1, "a": [1.5, "ü"]})
    assert path.read_text() == '{\n  "a": [\n    1.5,\n    "ü"\n  ],\n  "b": 1\n}\n'


def test_what_cannot_be_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    durable.write_json(path, 1)
    with pytest.raises(TypeError):
        durable.write_json(path, object())
    assert path.read_bytes() == b"1\n"
    assert _names(tmp_path) == ["file.json"]


def test_a_rename_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    durable.write_bytes(path, b"old")
    seen: list[bytes] = []

    def refuse(source: str, target: Path) -> None:
        seen.append(Path(source).read_bytes())
        assert Path(source).parent == target.parent
        raise OSError("no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        durable.write_bytes(path, b"new")
    assert seen == [b"new"]
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["file"]


def test_data_is_on_disk_before_the_rename_and_the_name_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, rename = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def note_rename(source: str, target: Path) -> None:
        order.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_rename)
    durable.write_bytes(tmp_path / "file", b"new")
    assert order == ["file", "rename", "folder"]


def test_a_kill_between_write_and_rename_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write_bytes(path, b"old")
    done = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_RENAME, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(_names(tmp_path)) == 2, "it was killed before it wrote, which shows nothing"


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole = {letter * 200_000 for letter in (b"a", b"b")}
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITES_FOREVER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            while not path.exists():
                assert process.poll() is None
            for _ in range(50):
                assert path.read_bytes() in whole
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert path.read_bytes() in whole


def test_arrays_come_back_and_their_bytes_depend_on_nothing_else(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.array(2.5, np.float32)}
    durable.write_arrays(tmp_path / "one.npz", arrays)
    with np.load(tmp_path / "one.npz", allow_pickle=False) as found:
        assert found.files == ["a", "b"]
        assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
        assert found["a"].dtype == np.int32
    # Known bytes: another interpreter, another day and another machine have to give the same ones.
    assert digest.of_file(tmp_path / "one.npz") == "5c9af95ed15332d3c8fa33fb12efbf4b581ba0c99cd0fc73037e11600b94f26a"


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        durable.write_arrays(tmp_path / "one.npz", {"a": np.array([{}], object)})
    assert not (tmp_path / "one.npz").exists()
