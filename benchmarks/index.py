"""Approximate search beside the exact product: `python -m benchmarks.index` writes docs/results/index.csv and .png.

Highest inner products of 64 dimensions among 2,000, 100,000 and 1,000,000 items, drawn as `benchmarks.vectors` says,
and the hard case, vectors without structure, at 100,000. Recall is the share of the exact ten best that are found.
Exact is numpy: the product in float32, `argpartition`, the ten in order. One thread each, as one of several workers
has; one query at a time, and 64 at a time. An engine and numpy are asked in turns in one process, and their ratio is
that of neighbouring turns. What an engine takes in memory is what its process grows by from before the index is opened
to after all queries, mapped pages included; the vectors come after that. What was measured is kept below .cache, and an
interrupted run goes on where it was; `--again` forgets it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
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
from benchmarks.engines import ENGINES, OURS, Search
from benchmarks.results import FOLDER, Result, write
from benchmarks.runs import resident_bytes
from benchmarks.vectors import DATA
from dataset.query import Floats, Longs
from scoring.highest import highest

COMMAND: Final = "python -m benchmarks.index"
EXACT: Final = "limit/exact-numpy"
KEPT: Final = Path(".cache/index_benchmark")
DIMENSIONS: Final = 64
QUERIES: Final = 1000
SEED: Final = 1
K: Final = 10
LARGEST: Final = 1_000_000
SETS: Final = (("alike", 2_000), ("alike", 100_000), ("isotropic", 100_000), ("alike", LARGEST))
BATCHES: Final = (1, 64)
TURNS: Final = 5
TURN_SECONDS: Final = 0.2
ENOUGH: Final = 0.98
"""Recall at which engines are compared: the least effort that reaches it."""
CODE: Final = tuple(map(Path, ("benchmarks/index.py", "benchmarks/engines.py", "benchmarks/vectors.py")))


class Point(msgspec.Struct):
    """One engine at one effort."""

    effort: int
    recall: float
    own: dict[int, list[float]]
    """Queries at a time -> queries per second of each turn."""
    exact: dict[int, list[float]]
    """The same of numpy in the neighbouring turn."""


class Run(msgspec.Struct):
    """One engine on one set of vectors."""

    points: list[Point]
    build_seconds: float
    bytes: int
    """On disk."""
    resident: int
    """Bytes that the process grew by."""


def main(arguments: list[str]) -> int:
    """Measures what is not measured yet, and writes what is; with `one`, one run in this process."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"without the {LARGEST:,} items; writes nothing")
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    parser.add_argument("--engines", default=",".join(ENGINES), help="of those, separated by commas")
    parser.add_argument("--one", nargs=5, metavar=("STEP", "ENGINE", "DATA", "ITEMS", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        step, engine, data, items, folder = given.one
        sys.stdout.buffer.write(msgspec.json.encode(STEPS[step](engine, data, int(items), Path(folder))))
        return 0
    names = given.engines.split(",")
    if unknown := [name for name in names if name not in ENGINES]:
        parser.error(f"--engines must be of {', '.join(ENGINES)}. Received: {', '.join(unknown)}")
    if given.again:
        shutil.rmtree(KEPT, ignore_errors=True)
    asked = [(data, items) for data, items in SETS if not (given.quick and items == LARGEST)]
    found = _all(names, asked)
    rows = [row for (data, items), runs in found.items() for row in results(data, items, runs)]
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


def exact(vectors: Floats, items: Floats) -> Longs:
    """[n, K] the ten best of each query, in order: what one writes with numpy."""
    scores = vectors @ items.T
    best = np.argpartition(scores, -K, axis=1)[:, -K:]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def build(name: str, data: str, items: int, folder: Path) -> float:
    """Makes the index below `folder`, and the queries and what is right; seconds of the index alone."""
    vectors, queries = DATA[data](items, QUERIES, DIMENSIONS, SEED)
    start = time.perf_counter()
    ENGINES[name].build(vectors, folder / "index")
    seconds = time.perf_counter() - start
    right = [highest(queries[at : at + 64] @ vectors.T, K, np.arange(items))[0] for at in range(0, QUERIES, 64)]
    np.save(folder / "queries.npy", queries)
    np.save(folder / "right.npy", np.concatenate(right))
    return seconds


def measure(name: str, data: str, items: int, folder: Path) -> Run:
    """Asks the index below `folder`: first alone, for recall and memory, then in turns with numpy."""
    engine = ENGINES[name]
    queries, right = np.load(folder / "queries.npy"), np.load(folder / "right.npy")
    before = resident_bytes()
    opened = engine.open(folder / "index", DIMENSIONS)
    searches = {effort: opened(effort) for effort in engine.efforts}
    recalls = {effort: _recall(search, queries, right) for effort, search in searches.items()}
    resident = resident_bytes() - before
    vectors = DATA[data](items, QUERIES, DIMENSIONS, SEED)[0]
    points = [
        Point(effort, recalls[effort], *_turns(search, lambda asked: exact(asked, vectors), queries))
        for effort, search in searches.items()
    ]
    files = [path for path in [folder / "index", *(folder / "index").glob("*")] if path.is_file()]
    return Run(points, 0.0, sum(path.stat().st_size for path in files), resident)


STEPS: Final[dict[str, Callable[[str, str, int, Path], float | Run]]] = {"build": build, "measure": measure}


def _recall(search: Search, queries: Floats, right: Longs) -> float:
    found = np.concatenate([search(queries[at : at + 64], K) for at in range(0, len(queries), 64)])
    return float((found[:, :, None] == right[:, None, :]).any(axis=1).mean())


def _turns(
    search: Search, exactly: Callable[[Floats], Longs], queries: Floats
) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    own: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    others: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for batch in BATCHES:
        for _ in range(TURNS):
            own[batch].append(_speed(lambda asked: search(asked, K), queries, batch))
            others[batch].append(_speed(exactly, queries, batch))
    return own, others


def _speed(ask: Callable[[Floats], Longs], queries: Floats, batch: int) -> float:
    """Queries per second, over at least TURN_SECONDS."""
    asked, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < TURN_SECONDS or not asked:
        at = asked % (len(queries) - batch + 1)
        ask(queries[at : at + batch])
        asked += batch
    return asked / seconds


def _all(names: Sequence[str], sets: Sequence[tuple[str, int]]) -> dict[tuple[str, int], dict[str, Run]]:
    found: dict[tuple[str, int], dict[str, Run]] = {}
    with tqdm(total=len(names) * len(sets), desc="index", unit="run") as progress:
        for data, items in sets:
            for name in names:
                progress.set_postfix_str(f"{name}, {items:,} {data}")
                found.setdefault((data, items), {})[name] = _kept(name, data, items)
                progress.update()
    return found


def _kept(name: str, data: str, items: int) -> Run:
    """A run, from before if the code that measures and ours that is measured are the same."""
    code = [*CODE, *sorted(Path("scoring").glob("nearest.py"))] if name == OURS else list(CODE)
    label = f"{name.replace('/', '-')}-{data}-{items}-{digest.of_list(code, Path())[:12]}"
    path = KEPT / f"{label}.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Run)
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        seconds = msgspec.json.decode(_apart("build", name, data, items, folder), type=float)
        run = msgspec.json.decode(_apart("measure", name, data, items, folder), type=Run)
    run.build_seconds = seconds
    durable.write_bytes(path, msgspec.json.encode(run))
    return run


def _apart(step: str, name: str, data: str, items: int, folder: str) -> bytes:
    """A process with memory and threads of its own: to build as many as params.yaml gives, one to ask."""
    threads = params.load().train.threads if step == "build" else 1
    command = [sys.executable, "-m", "benchmarks.index", "--one", step, name, data, str(items), folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | limits(threads))
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
