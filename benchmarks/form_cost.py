"""What a form takes to serve, in a process of its own: `python -m benchmarks.form_cost FOLDER FEATURES` prints JSON."""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from benchmarks import runs
from dataset.world import World
from scoring import folder as form_folder

BATCHES: Final = (1, 64)
QUERIES: Final = 1000
WARM_UP: Final = 3


class Cost(msgspec.Struct):
    """What one form takes to serve."""

    load_ms: float
    resident_bytes: int
    """More than before it was loaded and asked for the first time."""
    p50_ms: dict[int, float]
    """By batch."""
    p99_ms: dict[int, float]
    cpu_seconds: float
    """Of QUERIES single queries: what energy is proportional to."""


def main(arguments: list[str]) -> int:
    """Measures one form."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.form_cost", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the form")
    parser.add_argument("features", type=Path, help="of the data whose test queries it is asked")
    given = parser.parse_args(arguments)
    sys.stdout.buffer.write(msgspec.json.encode(cost(given.folder, World.read(given.features))))
    return 0


def rows(folder: Path, features: Path) -> Iterator[tuple[str, float, str]]:
    """What it takes, as (metric, value, unit)."""
    command = [sys.executable, "-m", "benchmarks.form_cost", str(folder), str(features)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found = msgspec.json.decode(done.stdout, type=Cost)
    yield "load", found.load_ms, "ms"
    yield "resident memory", float(found.resident_bytes), "bytes"
    for batch in BATCHES:
        queries = "query" if batch == 1 else "queries"
        yield f"p50 of {batch} {queries}", found.p50_ms[batch], "ms"
        yield f"p99 of {batch} {queries}", found.p99_ms[batch], "ms"
    yield "CPU seconds of 1,000 queries", found.cpu_seconds, "s"


def cost(folder: Path, world: World) -> Cost:
    """Loads a form and asks it."""
    asked = world.test[np.linspace(0, len(world.test) - 1, QUERIES).astype(np.int64)]
    before, start = runs.resident_bytes(), time.perf_counter()
    form = form_folder.read(folder)[1]
    form.scores(asked[:1])
    load_ms = (time.perf_counter() - start) * 1000
    resident = max(runs.resident_bytes() - before, 0)
    p50_ms, p99_ms, cpu_seconds = {}, {}, 0.0
    for batch in BATCHES:
        for row in range(WARM_UP):
            form.scores(asked[row : row + batch])
        taken, began = [], time.process_time()
        for row in range(0, QUERIES - batch + 1, batch):
            start = time.perf_counter()
            form.scores(asked[row : row + batch])
            taken.append((time.perf_counter() - start) * 1000)
        cpu_seconds = cpu_seconds or time.process_time() - began
        p50_ms[batch], p99_ms[batch] = (float(np.percentile(taken, percent)) for percent in (50, 99))
    return Cost(load_ms, resident, p50_ms, p99_ms, cpu_seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
