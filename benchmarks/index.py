"""Approximate search beside the exact product: `python -m benchmarks.index` writes docs/results/index.csv and .png.

Highest inner products of 64 dimensions among 2,000 to 1,000,000 items, drawn as `benchmarks.vectors` says,
and the hard case, vectors without structure, at 100,000. Recall is the share of the exact ten best that are found.
Exact is numpy: the product in float32, `argpartition`, the ten in order. One thread each, as one of several workers
has; one query at a time, and 64 at a time. An engine and numpy are asked in turns in one process, and their ratio is
that of neighbouring turns; `benchmarks.searches` is how, `benchmarks.engines` who. The peers are installed by `uv sync
--group index-peers`. What was measured is kept below .cache, and an interrupted run goes on where it was. Written is
all that has been measured with this code, so that engines can be measured one after the other.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from tqdm import tqdm

import digest
import durable
import params
from benchmarks import curves
from benchmarks.attempt import limits
from benchmarks.engines import ENGINES, OURS
from benchmarks.results import FOLDER, Result, write
from benchmarks.searches import BATCHES, DIMENSIONS, Point, Run

COMMAND: Final = "python -m benchmarks.index"
EXACT: Final = "limit/exact-numpy"
KEPT: Final = Path(".cache/index_benchmark")
LARGEST: Final = 1_000_000
SETS: Final = (("alike", 2_000), ("alike", 20_000), ("alike", 100_000), ("isotropic", 100_000), ("alike", LARGEST))
ENOUGH: Final = 0.98
"""Recall at which engines are compared: the least effort that reaches it."""
CODE: Final = tuple(
    map(Path, ("benchmarks/searches.py", "benchmarks/engines.py", "benchmarks/vectors.py", "highest.py", "uv.lock"))
)


def main(arguments: list[str]) -> int:
    """Measures what is not measured yet, and writes what is."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"without the {LARGEST:,} items; writes nothing")
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    parser.add_argument("--engines", help="of those, separated by commas; without it, all that are installed")
    given = parser.parse_args(arguments)
    names = given.engines.split(",") if given.engines else [name for name in ENGINES if ENGINES[name].installed]
    if unknown := [name for name in names if name not in ENGINES]:
        parser.error(f"--engines must be of {', '.join(ENGINES)}. Received: {', '.join(unknown)}")
    if missing := [name for name in ENGINES if not ENGINES[name].installed]:
        sys.stderr.write(f"not installed: {', '.join(missing)}. Install them: uv sync --group index-peers\n")
    if given.again:
        shutil.rmtree(KEPT, ignore_errors=True)
    _measure_all(names, [(data, items) for data, items in SETS if not (given.quick and items == LARGEST)])
    measured = [(data, items, runs) for data, items in SETS if (runs := _kept(data, items))]
    rows = [row for data, items, runs in measured for row in results(data, items, runs)]
    for row in rows:
        if row.subject in ENGINES or row.subject == EXACT:
            sys.stdout.write(f"{row.dataset:32} {row.subject:22} {row.metric:44} {row.value:14,.4g} {row.unit}\n")
    if not given.quick:
        write(FOLDER / "index.csv", rows)
        curves.draw(rows, FOLDER / "index.png")
    return 0


def results(data: str, items: int, runs: dict[str, Run]) -> Iterator[Result]:
    """Each engine at the least effort with enough recall, its costs, and its curve; and the exact product."""
    labels = ("index", f"{data}, {items} x {DIMENSIONS}")
    for subject, run in runs.items():
        chosen = next((point for point in run.points if point.recall >= ENOUGH), run.points[-1])
        for point in run.points:
            yield from _point(labels, f"{subject}, effort {point.effort}", point)
        yield from _point(labels, subject, chosen)
        for metric, value, unit in (
            ("build seconds", run.build_seconds, "s"),
            ("bytes on disk", float(run.bytes), "bytes"),
            ("resident memory", float(run.resident), "bytes"),
        ):
            yield Result(*labels, "one thread", subject, metric, value, value, value, unit, COMMAND)
    for batch in BATCHES:
        speeds = [speed for run in runs.values() for point in run.points for speed in point.exact[batch]]
        yield _spread(labels, EXACT, "queries per second", speeds, batch, "1/s")


def _point(labels: tuple[str, str], subject: str, point: Point) -> Iterator[Result]:
    value = point.recall
    yield Result(*labels, "one thread", subject, "recall_at_10", value, value, value, "1", COMMAND)
    for batch in BATCHES:
        own, exact = point.own[batch], point.exact[batch]
        yield _spread(labels, subject, "queries per second", own, batch, "1/s")
        times = [ours / theirs for ours, theirs in zip(own, exact, strict=True)]
        yield _spread(labels, subject, "times exact numpy", times, batch, "ratio")


def _spread(
    labels: tuple[str, str], subject: str, metric: str, values: Sequence[float], batch: int, unit: str
) -> Result:
    """The median, with the least and the most for bounds."""
    low, value, high = np.quantile(values, [0, 0.5, 1])
    return Result(
        *labels, f"one thread, {batch} at a time", subject, metric, float(value), float(low), float(high), unit, COMMAND
    )


def _measure_all(names: Sequence[str], sets: Sequence[tuple[str, int]]) -> None:
    with tqdm(total=len(names) * len(sets), desc="index", unit="run") as progress:
        for data, items in sets:
            for name in names:
                progress.set_postfix_str(f"{name}, {items:,} {data}")
                path = _path(name, data, items)
                if not path.exists():
                    durable.write_bytes(path, msgspec.json.encode(_run(name, data, items)))
                progress.update()


def _kept(data: str, items: int) -> dict[str, Run]:
    """Engine -> its run, of those that have been measured."""
    paths = {name: _path(name, data, items) for name in ENGINES}
    return {name: msgspec.json.decode(path.read_bytes(), type=Run) for name, path in paths.items() if path.exists()}


def _path(name: str, data: str, items: int) -> Path:
    """Where a run is kept: another one when what measures, or what of ours is measured, is another."""
    code = [*CODE, Path("scoring/nearest.py"), Path("params.yaml")] if name == OURS else [*CODE]
    return KEPT / f"{name.replace('/', '-')}-{data}-{items}-{digest.of_list(code, Path())[:12]}.json"


def _run(name: str, data: str, items: int) -> Run:
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        seconds = msgspec.json.decode(_apart("build", name, data, items, folder), type=float)
        run = msgspec.json.decode(_apart("measure", name, data, items, folder), type=Run)
    run.build_seconds = seconds
    return run


def _apart(step: str, name: str, data: str, items: int, folder: str) -> bytes:
    """A process with memory and threads of its own: to build as many as params.yaml gives, one to ask."""
    threads = params.load().train.threads if step == "build" else 1
    command = [sys.executable, "-m", "benchmarks.searches", step, name, data, str(items), folder]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | limits(threads)).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
