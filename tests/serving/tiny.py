"""A servable small enough to compute by hand, and a real `bentoml serve` of it.

Its tower looks at the newest item only: after item-i it wants item-(i+1) with score 1 and all others with 0, so among
those the lower index comes first. After item-11 its vector is NaN. Popularity runs backwards, from item-11 to item-0.
item-10 is not in the catalogue. Of the categories, "even" has items 0, 2, ..., "low" the first four, "nothing" none.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from dataset.query import Timelines
from dataset.vocabulary import RESERVED, Vocabulary
from flows import processes
from scoring import folder as form_folder
from scoring.tables import Table
from scoring.tower import FLATBUFFER, Tower
from serving import servable

ROOT: Final = Path(__file__).parents[2]
ITEMS: Final = 12
HIDDEN: Final = 10
BROKEN: Final = 11
FREEZE: Final = 1_700_000_000
START_SECONDS: Final = 120

TOWER_PROGRAM: Final = """
import sys
import numpy as np
import tensorflow as tf

size, broken = int(sys.argv[2]), int(sys.argv[3])
table = np.roll(np.eye(size, dtype=np.float32), 1, axis=1)
table[broken] = np.nan

inputs = [tf.TensorSpec([None, 5], tf.int32, "history"), tf.TensorSpec([None, 4], tf.float32, "context")]

@tf.function(input_signature=inputs)
def tower(history, context):
    # So little of the context that float32 does not show it next to 1: it only has to be an input.
    return tf.gather(tf.constant(table), history[:, 0]) + 1e-12 * tf.reduce_sum(context, axis=1, keepdims=True)

converter = tf.lite.TFLiteConverter.from_concrete_functions([tower.get_concrete_function()])
open(sys.argv[1], "wb").write(converter.convert())
"""


def write(folder: Path) -> None:
    """Writes the servable; user "ann" has taken item-0 and item-1, "bob" nothing, and "7" item-4."""
    size = ITEMS + len(RESERVED)
    folder.mkdir(parents=True)
    path = folder / FLATBUFFER
    program = [sys.executable, "-c", TOWER_PROGRAM, str(path), str(size), str(BROKEN + len(RESERVED))]
    subprocess.run(program, check=True, capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    tower = Tower(np.frombuffer(path.read_bytes(), np.uint8), Table(np.eye(size, dtype=np.float32)), 5)
    form_folder.write(folder, tower, model="tiny", name="tiny", items=size, freeze=FREEZE)
    catalogue = np.arange(size) >= len(RESERVED)
    catalogue[HIDDEN + len(RESERVED)] = False
    servable.write_data(
        folder,
        vocabulary=Vocabulary.of(f"item-{i}" for i in range(ITEMS)),
        titles=["", "", *(f"Title {i}" for i in range(ITEMS))],
        categories=Vocabulary.of(["even", "low", "nothing"]),
        item_categories=np.array(
            [[0, 0], [0, 0], *([2 if i % 2 == 0 else 0, 3 if i < 4 else 0] for i in range(ITEMS))]
        ),
        catalogue=catalogue,
        popular=np.flatnonzero(catalogue)[::-1].astype(np.int32),
        users=["ann", "bob", "7"],
        timelines=Timelines(
            np.array([0, 2, 2, 3], np.int64), np.array([2, 3, 6], np.int32), np.array([100, 200, 300], np.int64)
        ),
    )


@dataclass(frozen=True)
class Server:
    """A running `bentoml serve`: the process that watches, and its one worker."""

    url: str
    watcher: subprocess.Popen[bytes]
    exposures: Path
    log: Path

    @property
    def worker(self) -> int:
        """The worker's process id."""
        children = Path(f"/proc/{self.watcher.pid}/task/{self.watcher.pid}/children").read_text().split()
        workers = [int(pid) for pid in children if b"worker.service" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(workers) == 1, f"one worker expected. Received: {workers} of {children}"
        return workers[0]


@contextmanager
def serving(
    target: str, folder: Path, *, environment: dict[str, str], working_directory: Path = ROOT
) -> Iterator[Server]:
    """Serves `target` on a free loopback port until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = processes.port(), folder / "server.log"
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    exposures = folder / "exposures"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=working_directory,
            env=isolated(folder) | {"PODIUM_EXPOSURES": str(exposures)} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", process, exposures, log)
    try:
        _wait(server)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def isolated(folder: Path) -> dict[str, str]:
    """The environment for BentoML with its own home below `folder`."""
    quiet = {"BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True", "OTEL_SDK_DISABLED": "true"}
    return {**{name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}, **quiet}


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.watcher.poll() is None, server.log.read_text()
        try:
            if httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"not ready after {START_SECONDS} s:\n{server.log.read_text()}")
