"""Latency of the hot path, one query at a time, measured in turns so that noise of the machine meets everyone alike."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dataset.query import Queries
from serving.runtime import Runtime

WARM_UP = 20
"""Queries that are not counted."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds from a query to its list."""

    p50_ms: float
    p99_ms: float
    queries: int


def measure(contestants: Mapping[str, tuple[Runtime, Queries]], *, k: int) -> dict[str, Latency]:
    """Name -> latency.

    Args:
        contestants: name -> a runtime and the n queries it is asked one by one; the same n for every name.
        k: length of the lists.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for row in range(len(next(iter(contestants.values()))[1])):
        for name, (runtime, queries) in contestants.items():
            query = queries[row : row + 1]
            start = time.perf_counter()
            runtime.recommend(query, k)
            taken[name].append((time.perf_counter() - start) * 1000)
    return {name: _summary(values[WARM_UP:]) for name, values in taken.items()}


def _summary(values: list[float]) -> Latency:
    if not values:
        raise ValueError(f"latency needs more than {WARM_UP} queries")
    return Latency(float(np.percentile(values, 50)), float(np.percentile(values, 99)), len(values))
