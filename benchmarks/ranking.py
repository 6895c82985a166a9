"""Speed and memory of the ranking: `python -m benchmarks.ranking` writes docs/results/ranking.csv.

Random vectors, a dot product for a scorer, histories of 50 items, lists of 100. Each run is a process of its own, so
that its peak of memory is its own; it is the peak of the whole process, the vectors included. On the smaller size the
peer sorts every row in full with numpy, and has to come to the same places and lists.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.results import FOLDER, Result, write
from benchmarks.runs import peak_bytes
from dataset.query import Floats, Queries, Timelines
from evaluation import protocol
from evaluation.protocol import MISS, Ranking, Scorer

COMMAND: Final = "python -m benchmarks.ranking"
LARGE: Final = (10_000, 100_000)
SMALL: Final = (1_000, 100_000)
"""Queries and items."""
DIMENSIONS: Final = 64
HISTORY: Final = 50
LENGTH: Final = 100
CHUNK: Final = 512
REPEATS: Final = 3
OURS: Final = "podium/rank"
PEER: Final = "peer/numpy full argsort"

Rank = Callable[[Scorer, Queries, npt.NDArray[np.bool_]], Ranking]


class Run(msgspec.Struct):
    """One measured run."""

    seconds: float
    megabytes: float
    """Peak resident memory of the process."""
    answer: str
    """Digest of places and lists."""


@dataclass(frozen=True)
class Product:
    """A scorer: the users' vectors times the items'."""

    users: Floats
    items: Floats

    def scores(self, queries: Queries) -> Floats:
        """[n, num_items]."""
        found: Floats = self.users[queries.user] @ self.items.T
        return found


def main(arguments: list[str]) -> int:
    """Runs everything and writes the results; with arguments, one run in this process."""
    if arguments:
        sys.stdout.buffer.write(msgspec.json.encode(measure(arguments[0], int(arguments[1]), int(arguments[2]))))
        return 0
    asked = ((OURS, LARGE), (OURS, SMALL), (PEER, SMALL))
    runs = {(subject, size): [_apart(subject, size) for _ in range(REPEATS)] for subject, size in asked}
    if len({run.answer for (_, size), found in runs.items() for run in found if size == SMALL}) > 1:
        raise SystemExit("the two ways to rank do not agree")
    results = [result for (subject, size), found in runs.items() for result in _results(subject, size, found)]
    for result in results:
        sys.stdout.write(f"{result.protocol:32} {result.subject:26} {result.metric:14} {result.value:10.2f}\n")
    write(FOLDER / "ranking.csv", results)
    return 0


def measure(subject: str, queries: int, items: int) -> Run:
    """Ranks random queries in this process."""
    scorer, asked = _questions(queries, items)
    ways: dict[str, Rank] = {
        OURS: lambda *given: protocol.rank(*given, k=LENGTH, chunk_size=CHUNK),
        PEER: full_argsort,
    }
    start = time.perf_counter()
    found = ways[subject](scorer, asked, np.arange(items) > 1)
    seconds = time.perf_counter() - start
    answer = hashlib.sha256(found.rank.tobytes() + found.lists.tobytes()).hexdigest()
    return Run(seconds, peak_bytes() / 1e6, answer)


def full_argsort(scorer: Scorer, queries: Queries, catalogue: npt.NDArray[np.bool_]) -> Ranking:
    """What one writes first: mask, sort every row, look where the target stands. Scores have no ties here."""
    ranks, lists = np.empty(len(queries), np.int64), np.empty((len(queries), LENGTH), np.int32)
    block = protocol.block_size(len(catalogue))
    for start in range(0, len(queries), block):
        # The product in the same shape as ours, or its last bits would differ.
        rows = np.minimum(np.arange(start, start + block), len(queries) - 1)
        part = queries[rows]
        scores = np.where(part.unseen(catalogue), scorer.scores(part), -np.inf)
        order = np.argsort(-scores, axis=1, kind="stable")
        place = 1 + np.argmax(order == part.target[:, None], axis=1)
        hidden = np.isneginf(scores[np.arange(block), part.target])
        ranks[rows], lists[rows] = np.where(hidden, MISS, place), order[:, :LENGTH]
    return Ranking(ranks, lists)


def _questions(queries: int, items: int) -> tuple[Product, Queries]:
    generator = np.random.default_rng(1)
    vectors = (generator.normal(size=(count, DIMENSIONS)).astype(np.float32) for count in (queries, items))
    history = generator.integers(2, items, queries * HISTORY).astype(np.int32)
    timelines = Timelines(np.arange(queries + 1) * HISTORY, history, np.zeros(len(history), np.int64))
    user, end = np.arange(queries, dtype=np.int32), np.full(queries, HISTORY)
    target = generator.integers(2, items, queries).astype(np.int32)
    return Product(*vectors), Queries(timelines, user, end, np.ones(queries, np.int64), target)


def _apart(subject: str, size: tuple[int, int]) -> Run:
    command = [sys.executable, "-m", "benchmarks.ranking", subject, *map(str, size)]
    return msgspec.json.decode(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout, type=Run)


def _results(subject: str, size: tuple[int, int], runs: list[Run]) -> Iterator[Result]:
    """The median of the runs, with the least and the most for bounds."""
    queries, items = size
    labels = ("ranking", "random vectors", f"{queries} queries x {items} items")
    for metric, unit in (("seconds", "s"), ("megabytes", "MB")):
        low, value, high = np.quantile([getattr(run, metric) for run in runs], [0, 0.5, 1])
        yield Result(*labels, subject, metric, float(value), float(low), float(high), unit, COMMAND)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
