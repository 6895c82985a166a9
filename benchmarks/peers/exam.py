"""A peer's side of the exchange (benchmarks/exchange.py): reads the folder, drives the epochs, writes the answer.

It runs in each peer's environment, beside the peer's script: numpy, scipy and pyarrow alone.

What is the same for all peers:
    - With targets (validation) training goes on, `every` epochs at a time, until NDCG@10 has not risen for `patience`
      examinations; the best lists and their epoch count. Without (test) it takes the steps that were best, and no look.
    - A query with no known item in its history, or that the peer has no answer to, is answered by what is most popular
      among the known interactions.
    - Seen items and items outside the catalogue never stand in a list.
"""

import argparse
import importlib.metadata
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy import sparse

CHUNK = 256
"""Queries that are scored at a time."""


@dataclass(frozen=True)
class Run:
    """What the command line asks for."""

    exchange: Path
    out: Path
    seed: int
    settings: dict
    epochs: int
    """At most, in early stopping; else exactly."""
    every: int
    patience: int


@dataclass(frozen=True)
class Exam:
    """What the exchange folder holds. Items are 0..num_items-1, with gaps."""

    users: np.ndarray
    """[m] of the known interactions, in time order, as `items` and `times`."""
    items: np.ndarray
    times: np.ndarray
    asked: np.ndarray
    """[n] whose query."""
    bounds: np.ndarray
    """[n + 1]: query q has the history seen[bounds[q]:bounds[q + 1]], oldest first."""
    seen: np.ndarray
    seen_times: np.ndarray
    catalogue: np.ndarray
    """[num_items] whether an item may be listed."""
    targets: np.ndarray | None
    num_users: int
    length: int
    trained: bool
    """Whether each query's history is what is known of its user, as in leave-one-out: then trained users can answer."""

    @property
    def num_items(self) -> int:
        """Items with their gaps."""
        return len(self.catalogue)

    @cached_property
    def counts(self) -> np.ndarray:
        """[num_items] known interactions."""
        return np.bincount(self.items, minlength=self.num_items)

    @cached_property
    def known(self) -> sparse.csr_matrix:
        """[num_users, num_items] 1 where a user is known to have taken an item."""
        return _ones(self.users, self.items, (self.num_users, self.num_items))

    @cached_property
    def histories(self) -> sparse.csr_matrix:
        """[n, num_items] 1 where an item stands in a query's history."""
        return _ones(self._rows, self.seen, (len(self.asked), self.num_items))

    @cached_property
    def readable(self) -> sparse.csr_matrix:
        """`histories` without the items of which nothing is known."""
        known = self.counts[self.seen] > 0
        return _ones(self._rows[known], self.seen[known], self.histories.shape)

    @property
    def _rows(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.asked)), np.diff(self.bounds))

    def rank(self, scores: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Lists [n, length] from a function of b query numbers that gives scores [b, num_items]."""
        lists = np.full((len(self.asked), self.length), -1, np.int32)
        for start in range(0, len(lists), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(lists)))
            lists[rows] = self._top(np.array(scores(rows), np.float32), rows)
        return lists

    def mean(self, vectors: np.ndarray) -> np.ndarray:
        """[n, d] mean of the vectors [num_items, d] of each query's known history; zeros where there is none."""
        total = self.readable @ vectors
        return total / np.maximum(np.diff(self.readable.indptr), 1)[:, None]

    def with_popular(self, lists: np.ndarray) -> np.ndarray:
        """`lists` with the most popular where nothing in the history is known, or where the list is empty."""
        rows = np.flatnonzero((np.diff(self.readable.indptr) == 0) | (lists[:, 0] < 0))
        answered = lists.astype(np.int32)
        if len(rows):
            answered[rows] = self._top(np.tile(self.counts.astype(np.float32), (len(rows), 1)), rows)
        return answered

    def ndcg(self, lists: np.ndarray) -> float:
        """Mean NDCG@10 of the targets; a list that misses the target counts 0."""
        row, place = np.nonzero(lists[:, :10] == self.targets[:, None])
        return float((1 / np.log2(place + 2)).sum() / len(lists)) if len(row) else 0.0

    def _top(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        scores[:, ~self.catalogue] = -np.inf
        part = self.histories[rows]
        scores[np.repeat(np.arange(len(rows)), np.diff(part.indptr)), part.indices] = -np.inf
        width = min(self.length, self.num_items)
        best = np.argpartition(-scores, width - 1, axis=1)[:, :width]
        value = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        best, value = np.take_along_axis(best, order, axis=1), np.take_along_axis(value, order, axis=1)
        lists = np.full((len(rows), self.length), -1, np.int32)
        lists[:, :width] = np.where(np.isneginf(value), -1, best)
        return lists


def start(description: str) -> tuple[Run, Exam]:
    """Reads the command line and the exchange folder, and seeds Python and numpy."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON object")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--every", type=int, default=1, help="epochs from one examination to the next")
    parser.add_argument("--patience", type=int, default=2, help="examinations without gain before training stops")
    run = Run(**vars(parser.parse_args()))
    random.seed(run.seed)
    np.random.seed(run.seed)
    return run, read(run.exchange)


def read(folder: Path) -> Exam:
    """Reads an exchange folder."""
    meta = json.loads((folder / "meta.json").read_text())
    known, queries = (pq.read_table(folder / f"{name}.parquet") for name in ("known", "queries"))
    history, times = (queries[name].combine_chunks() for name in ("history", "times"))
    targets = folder / "targets.npy"
    return Exam(
        *(known[name].to_numpy() for name in ("user", "item", "time")),
        asked=queries["user"].to_numpy(),
        bounds=history.offsets.to_numpy().astype(np.int64),
        seen=history.values.to_numpy(),
        seen_times=times.values.to_numpy(),
        catalogue=np.load(folder / "catalogue.npy"),
        targets=np.load(targets) if targets.exists() else None,
        num_users=meta["num_users"],
        length=meta["length"],
        trained=meta["protocol"] == "leave-one-out",
    )


def answer(
    run: Run,
    exam: Exam,
    train: Callable[[int], None],
    rank: Callable[[], np.ndarray],
    *,
    model_bytes: Callable[[], int],
    libraries: Sequence[str],
    examples: Callable[[], int] | None = None,
) -> None:
    """Trains, examines and writes lists.npy and fit.json.

    Args:
        run: the command line.
        exam: the exchange folder.
        train: trains so many epochs more.
        rank: gives the lists [n, length] of the model as it is.
        model_bytes: of the arrays that have to be kept.
        libraries: whose versions are kept.
        examples: interactions that an epoch learns from, where these are not all that are known.
    """
    done, best, spent, scored, lists = 0, (-1.0, 0), 0.0, 0.0, None
    while done < run.epochs:
        step = min(run.every, run.epochs - done)
        began = time.perf_counter()
        train(step)
        spent, done = spent + time.perf_counter() - began, done + step
        if exam.targets is None and done < run.epochs:
            continue
        began = time.perf_counter()
        found = exam.with_popular(rank())
        scored = time.perf_counter() - began
        value = 0.0 if exam.targets is None else exam.ndcg(found)
        grade = "" if exam.targets is None else f", ndcg_at_10 {value:.4f}"
        print(f"epoch {done}: {spent:.1f} s of training{grade}", flush=True)
        if value > best[0]:
            best, lists = (value, done), found
        elif done - best[1] >= run.patience * run.every:
            break
    fit = {
        "fit_seconds": spent,
        "score_seconds": scored,
        "peak_bytes": peak_bytes(),
        "model_bytes": int(model_bytes()),
        "examples_per_second": (len(exam.items) if examples is None else examples()) * done / spent,
        "epochs": best[1],
        "versions": {name: importlib.metadata.version(name) for name in libraries},
        "settings": {**run.settings, "seed": run.seed, "threads": int(os.environ.get("OMP_NUM_THREADS", "0"))},
    }
    run.out.mkdir(parents=True, exist_ok=True)
    np.save(run.out / "lists.npy", lists)
    (run.out / "fit.json").write_text(json.dumps(fit, indent=2) + "\n")


def _ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def peak_bytes() -> int:
    """Most resident memory of this process since its program began; rusage would count the parent's from before."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
