"""Temporal next-item evaluation: rank the whole catalogue for each query, with a model that is frozen in time.

A query is a user's history strictly before the moment of a test interaction. Every item of the catalogue that the user
has not taken yet is ranked, the taken one among them. No sampled negatives (Krichene and Rendle 2020, "On sampled
metrics for item recommendation"). Ties are broken against the model: the target stands behind every item with the same
score, so a constant score earns nothing.

Rows are ranked while they lie in the processor's cache, a handful at a time where the catalogue is small: one copy, one
pass for the targets' places, one to drop what cannot be listed. Nothing of the size of all scores is ever held but the
scores of one block.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Ints, Longs, Queries
from highest import NOTHING, highest

MISS: Final = 0
"""Rank of a target that is not in the catalogue, and so cannot be found."""
BLOCK_SCORES: Final = 2**23
"""Scores in one answer of a scorer, at most, as long as `BLOCK_LIMITS` allow it: 32 MB."""
BLOCK_LIMITS: Final = (16, 256)
"""The fewest and the most queries in a block."""
CACHED_SCORES: Final = 2**18
"""Scores that are ranked at a time, at most, unless a single row has more: 1 MB."""


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
    """[n, k] item indices, best first; NOTHING where there were fewer candidates."""


def rank(scorer: Scorer, queries: Queries, catalogue: npt.NDArray[np.bool_], *, k: int, chunk_size: int) -> Ranking:
    """Ranks the catalogue for each query.

    The scorer is asked for `block_size(num_items)` queries in every call, the last one being repeated to fill up the
    last block, so that the result cannot depend on `chunk_size`: BLAS picks its kernel by the shape of a product, and
    another kernel rounds another way. The same queries get the same bits on the same machine with the same number of
    BLAS threads; a part of the queries falls into other blocks and may differ in the last bit of a score.

    Args:
        scorer: the model, frozen.
        queries: n queries with targets.
        catalogue: [num_items], whether an item is a candidate.
        k: length of the lists, at least 1.
        chunk_size: queries whose histories are looked up at a time, rounded up to whole blocks.

    Raises:
        ScoreError: a candidate's score is NaN or infinite, or the answer has another shape.
    """
    ranks = np.zeros(len(queries), np.int64)
    lists = np.full((len(queries), k), NOTHING, np.int32)
    block = block_size(len(catalogue))
    for rows in _chunks(len(queries), -(-chunk_size // block) * block):
        ranks[rows], lists[rows] = _rank_chunk(scorer, queries[rows], catalogue, k)
    return Ranking(ranks, lists)


def block_size(num_items: int) -> int:
    """Queries in every call of a scorer: a power of two that depends on the number of items alone."""
    fewest, most = BLOCK_LIMITS
    wanted = max(BLOCK_SCORES // num_items, 1)
    return min(max(1 << (wanted.bit_length() - 1), fewest), most)


def _chunks(total: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


def _rank_chunk(scorer: Scorer, queries: Queries, catalogue: npt.NDArray[np.bool_], k: int) -> tuple[Longs, Ints]:
    """Places [n] and lists [n, k] of a chunk that begins where a block begins."""
    ranks, lists = np.empty(len(queries), np.int64), np.empty((len(queries), k), np.int32)
    bounds, seen = np.concatenate([[0], np.cumsum(queries.end)]), queries.seen()
    for block in _chunks(len(queries), block_size(len(catalogue))):
        scores = _scores(scorer, queries[block], len(catalogue))
        for part in _chunks(len(scores), max(CACHED_SCORES // len(catalogue), 1)):
            some = slice(block.start + part.start, block.start + part.stop)
            taken = slice(bounds[some.start], bounds[some.stop])
            rows = scores[part].copy()
            rows[:, ~catalogue] = -np.inf
            _refuse_infinite(rows, catalogue)
            rows[seen[0][taken] - some.start, seen[1][taken]] = -np.inf
            ranks[some], lists[some] = _places(rows, queries.target[some]), highest(rows, k)[0]
    return ranks, lists


def _scores(scorer: Scorer, queries: Queries, num_items: int) -> Floats:
    """[n, num_items] from a call for a whole block, row after row in memory."""
    size = block_size(num_items)
    scores = scorer.scores(queries[np.minimum(np.arange(size), len(queries) - 1)])
    if scores.shape != (size, num_items):
        raise ScoreError(f"scores of {size} queries must be {(size, num_items)}. Received: {scores.shape}")
    # Whole numbers have no infinity to stand for what is no candidate, so they are ranked as floats wide enough.
    return np.ascontiguousarray(scores[: len(queries)], np.result_type(scores, np.float32))


def _refuse_infinite(rows: Floats, catalogue: npt.NDArray[np.bool_]) -> None:
    wanted = len(rows) * np.count_nonzero(catalogue)
    finite = np.count_nonzero(np.isfinite(rows))
    if finite != wanted:
        raise ScoreError(
            f"scores must be finite for every item of the catalogue. Received: {wanted - finite} of {wanted} values "
            "not finite"
        )


def _places(rows: Floats, target: Ints) -> Longs:
    """[n] how many items stand before the target or level with it, itself included; MISS when it is no candidate."""
    score = rows[np.arange(len(rows)), target][:, None]
    return np.where(np.isneginf(score[:, 0]), MISS, np.count_nonzero(rows >= score, axis=1))
