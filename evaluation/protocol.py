"""Temporal next-item evaluation: rank the whole catalogue for each query, with a model that is frozen in time.

A query is a user's history strictly before the moment of a test interaction. Every item of the catalogue that the user
has not taken yet is ranked, the taken one among them. No sampled negatives (Krichene and Rendle 2020, "On sampled
metrics for item recommendation"). Ties are broken against the model: the target stands behind every item with the same
score, so a constant score earns nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Ints, Longs, Queries

MISS: Final = 0
"""Rank of a target that is not in the catalogue, and so cannot be found."""


class Scorer(Protocol):
    """Whatever can be asked for scores: a model, a variant as it will be served, a baseline."""

    def scores(self, queries: Queries) -> Floats:
        """Scores of n queries for all items of the vocabulary, [n, num_items], higher is better, all finite."""
        ...


class ScoreError(ValueError):
    """A model gave scores that cannot be ranked."""


@dataclass(frozen=True)
class Ranking:
    """What one scorer answered to n queries."""

    rank: Longs
    """[n] place of the target from 1, among the catalogue's unseen items; MISS when it is not in the catalogue."""
    lists: Ints
    """[n, k] item indices, best first; -1 where there were fewer candidates."""


def rank(scorer: Scorer, queries: Queries, catalogue: npt.NDArray[np.bool_], *, k: int, chunk_size: int) -> Ranking:
    """Ranks the catalogue for each query.

    Args:
        scorer: the model, frozen.
        queries: n queries with targets.
        catalogue: [num_items], whether an item is a candidate.
        k: length of the lists.
        chunk_size: queries scored at a time; the result does not depend on it.

    Raises:
        ScoreError: a candidate's score is NaN or infinite.
    """
    ranks = np.zeros(len(queries), np.int64)
    lists = np.full((len(queries), k), -1, np.int32)
    for rows in _chunks(len(queries), chunk_size):
        ranks[rows], lists[rows] = _rank_chunk(scorer, queries[rows], catalogue, k)
    return Ranking(ranks, lists)


def candidates(queries: Queries, catalogue: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """[n, num_items] which items may stand in each query's list: of the catalogue and not yet taken by the user."""
    allowed = np.repeat(catalogue[None], len(queries), axis=0)
    allowed[queries.seen()] = False
    return allowed


def top(scores: Floats, k: int) -> Ints:
    """[n, k] indices of the highest scores of each row, best first, lower index first among equals, -1 for -inf.

    `k` may exceed the number of items; the rest is filled up with -1.
    """
    width = min(k, scores.shape[1])
    lists = np.full((len(scores), k), -1, np.int32)
    # Everything above the k-th score and the first of those equal to it: a partition alone picks any of the equals.
    border = -np.partition(-scores, width - 1, axis=1)[:, width - 1 : width]
    equal = scores == border
    room = width - (scores > border).sum(axis=1, keepdims=True)
    chosen = np.nonzero((scores > border) | (equal & (np.cumsum(equal, axis=1) <= room)))[1].reshape(len(scores), width)
    values = np.take_along_axis(scores, chosen, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(chosen, order, axis=1)
    lists[:, :width] = np.where(np.isneginf(np.take_along_axis(values, order, axis=1)), -1, best)
    return lists


def _chunks(total: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


def _rank_chunk(scorer: Scorer, queries: Queries, catalogue: npt.NDArray[np.bool_], k: int) -> tuple[Longs, Ints]:
    scores = scorer.scores(queries)
    if scores.shape != (len(queries), len(catalogue)) or not np.isfinite(scores[:, catalogue]).all():
        raise ScoreError(
            f"scores must be finite and [{len(queries)}, {len(catalogue)}]. Received: {scores.shape}, "
            f"{int((~np.isfinite(scores)).sum())} values not finite"
        )
    scores = np.where(candidates(queries, catalogue), scores, -np.inf)
    target = np.take_along_axis(scores, queries.target[:, None].astype(np.int64), axis=1)
    ahead = (scores >= target).sum(axis=1)  # the target itself is one of them
    return np.where(np.isneginf(target[:, 0]), MISS, ahead).astype(np.int64), top(scores, k)
