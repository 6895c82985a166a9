"""A model small enough to be built in every test, and data that fits it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dataset.batches import CandidateFeatures
from dataset.query import Queries, Timelines
from models.architecture import Architecture

ROOT = Path(__file__).parents[2]
SHAPE = Architecture(
    num_items=14,
    num_categories=6,
    categories_per_item=3,
    popularity_windows=2,
    history_length=5,
    embedding_dim=8,
    hidden_units=[16],
    half_lives=[1.0, 4.0],
    dropout=0.5,
    temperature=0.1,
)
MOMENT = 1_700_000_000


def features(seed: int = 0) -> CandidateFeatures:
    """Of all items."""
    return _features(np.random.default_rng(seed), np.arange(SHAPE.num_items, dtype=np.int32))


def arrays(rows: int, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Training arrays as `dataset.batches.examples` gives them; the target is the newest item's neighbour."""
    rng = np.random.default_rng(seed)
    history = rng.integers(2, SHAPE.num_items, (rows, SHAPE.history_length)).astype(np.int32)
    history[np.arange(SHAPE.history_length) >= rng.integers(0, SHAPE.history_length + 1, rows)[:, None]] = 0
    target = (2 + (history[:, 0] + 1) % (SHAPE.num_items - 2)).astype(np.int32)
    share = np.bincount(target, minlength=SHAPE.num_items) / rows
    return {
        "history": history,
        "context": rng.uniform(-1, 1, (rows, 4)).astype(np.float32),
        **_features(rng, target).inputs(),
        "probability": share[target].astype(np.float32),
    }


def queries(count: int = 9, seed: int = 0) -> Queries:
    """Of as many users, the first of whom nothing is known; user i has taken i items."""
    rng = np.random.default_rng(seed)
    lengths = np.arange(count)
    total = int(lengths.sum())
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = rng.integers(2, SHAPE.num_items, total).astype(np.int32)
    times = np.concatenate([MOMENT - 10_000 + 60 * np.arange(length) for length in lengths]).astype(np.int64)
    return Queries(
        Timelines(starts, items, times),
        user=np.arange(count, dtype=np.int32),
        end=lengths.astype(np.int64),
        time=np.full(count, MOMENT, np.int64),
        target=rng.integers(2, SHAPE.num_items, count).astype(np.int32),
    )


def _features(rng: np.random.Generator, items: npt.NDArray[np.int32]) -> CandidateFeatures:
    categories = rng.integers(1, SHAPE.num_categories, (len(items), SHAPE.categories_per_item)).astype(np.int32)
    categories[np.arange(SHAPE.categories_per_item) >= rng.integers(0, 4, len(items))[:, None]] = 0
    return CandidateFeatures(
        item=items,
        categories=categories,
        year=rng.uniform(0, 1, (len(items), 1)).astype(np.float32),
        popularity=rng.uniform(0, 1, (len(items), SHAPE.popularity_windows)).astype(np.float32),
        dense=np.zeros((len(items), 0), np.float32),
    )


def python(code: str, *arguments: str) -> str:
    """Runs code in a process of its own, from the project's root, and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
