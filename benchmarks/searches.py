"""One engine on one set of vectors, made and asked in processes of their own, for `benchmarks.index`.

What an engine takes in memory is what its process grows by from before the index is opened to after all queries, mapped
pages included; the vectors that numpy multiplies come after that. Engine and numpy are asked in turns.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from benchmarks.engines import ENGINES, Search
from benchmarks.runs import resident_bytes
from benchmarks.vectors import DATA
from dataset.query import Floats, Longs
from highest import highest

DIMENSIONS: Final = 64
QUERIES: Final = 1000
SEED: Final = 1
K: Final = 10
BATCHES: Final = (1, 64)
TURNS: Final = 5
TURN_SECONDS: Final = 0.2


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


def main(arguments: list[str]) -> int:
    """Runs a step, given its name, engine, data, number of items and folder; prints what comes out as JSON."""
    step, name, data, items, folder = arguments
    sys.stdout.buffer.write(msgspec.json.encode(STEPS[step](name, data, int(items), Path(folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
