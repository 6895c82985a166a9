"""The reproducible part, run through DVC one stage at a time: the graph is stated once and dvc.lock is always written.

A stage runs in a process of its own, so TensorFlow gives its memory back between stages. What it prints is passed on as
it comes; how far its progress bars are is also handed to whoever wants to show it.
"""

import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

from filelock import FileLock

LOCK: Final = Path(".cache/reproduce.lock")
BUSY: Final = re.compile(r"Unable to acquire lock|is busy, it is being blocked by")
"""What DVC says when another of its commands has this folder, or runs a stage that has a file of ours open."""
PATIENCE_SECONDS: Final = 3600
PERCENT: Final = re.compile(r"(\d+)%\|")
NOISE: Final = re.compile(
    r"WARNING: All log messages before absl|[IWE]\d{4} \d\d:|INFO: Created TensorFlow Lite|To enable the following "
    r"instr|To track the changes with git|\tgit add|To enable auto staging|\tdvc config|Use `dvc push`|Updating lock"
)
"""TensorFlow's lines about this machine, which no setting of its own silences, and DVC's advice."""
TAIL: Final = 30

Progress = Callable[[int], None]
"""Takes per cent."""


class StageError(RuntimeError):
    """A stage failed; the message ends with what it printed last."""


class BusyError(RuntimeError):
    """Another DVC command held this folder for too long."""


@contextmanager
def exclusive() -> Iterator[None]:
    """Holds the working folder for one run, from its settings to its bento; a second waits until the first has ended.

    What is read before may be another run's past: params.yaml belongs inside.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(LOCK, timeout=PATIENCE_SECONDS):
        yield


def stages() -> list[str]:
    """All stages, each after those it depends on, as DVC's own graph says."""
    graph = TopologicalSorter[str]()
    for line in _dvc("dag", "--dot").splitlines():
        names = re.findall(r'"([^"]+)"', line)
        if names:
            graph.add(names[-1], *names[:-1])
    return list(graph.static_order())


def reproduce(stage: str, progress: Progress | None = None) -> None:
    """Runs a stage if anything it depends on changed; `dvc repro --single-item <stage>`.

    Raises:
        StageError: the stage failed.
        BusyError: somebody else's DVC command did not end in an hour.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (tail := _run(stage, progress)) is not None:
        if not BUSY.search(tail):
            raise StageError(f"stage {stage} failed:\n{tail}")
        if time.monotonic() > deadline:
            raise BusyError(f"stage {stage}: another DVC command has been running here for {PATIENCE_SECONDS} s")
        time.sleep(2)


def _run(stage: str, progress: Progress | None) -> str | None:
    """None when all went well, else the last lines."""
    tail: deque[str] = deque(maxlen=TAIL)
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--single-item", stage],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
        env=_environment(),
    ) as process:
        assert process.stdout is not None  # it is, with PIPE
        for line in process.stdout:  # universal newlines: each redraw of a progress bar is a line
            if not NOISE.match(line):
                _pass_on(line.rstrip("\n"), tail, progress)
    return None if process.returncode == 0 else "\n".join(tail)


def _pass_on(line: str, tail: deque[str], progress: Progress | None) -> None:
    percent = PERCENT.search(line)
    if percent is None:
        if line.strip():
            tail.append(line)
            print(f"\r\033[K{line}" if sys.stderr.isatty() else line, file=sys.stderr)  # noqa: T201
        return
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)  # noqa: T201
    if progress:
        progress(int(percent[1]))


def _dvc(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, env=_environment(), check=False
    )
    if done.returncode:
        raise StageError(f"dvc {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def _environment() -> dict[str, str]:
    """The stages' `python` has to be this one, also where nobody has activated its environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
