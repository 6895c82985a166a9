"""The k highest of each row, in the one order that all lists have: best first, the earlier first among equals."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

NOTHING: Final = -1
"""Stands for an item where there are no more."""
LOWEST: Final = np.float32(-np.inf)
"""The score of what may not be listed, and of nothing."""
PILES: Final = 4
"""Piles for each place of a list when the best of a row are looked for; any number gives the same lists."""
FEWEST_PILES: Final = 64
"""Of short lists: more of them cost nothing, and let fewer items through."""


def highest(scores: npt.NDArray[Any], k: int, items: npt.NDArray[np.integer] | None = None) -> tuple[Longs, Floats]:
    """Items [n, k] and scores [n, k] of the k highest above LOWEST, filled up with NOTHING and LOWEST.

    Args:
        scores: [n, m] numbers, none of them NaN; row after row in memory where it is to be fast.
        k: at least 1; may exceed m.
        items: [m] or [n, m] what each column stands for, ascending; its own number when None.
    """
    best, values = np.full((len(scores), k), NOTHING, np.int64), np.full((len(scores), k), LOWEST, np.float32)
    names = None if items is None else np.broadcast_to(items, scores.shape)
    for row, floor in enumerate(_floors(scores, k)):
        found = scores[row]
        (among,) = (found >= floor if floor > LOWEST else found > LOWEST).nonzero()
        order = among[(-found[among]).argsort(kind="stable")[:k]]
        best[row, : len(order)] = order if names is None else names[row, order]
        values[row, : len(order)] = found[order]
    return best, values


def _floors(scores: npt.NDArray[Any], k: int) -> npt.NDArray[Any]:
    """[n] a value that at least k of a row reach, and few more where the values differ.

    A row is dealt out to piles like cards; the best of k piles are k different items of the row, so that the least of
    these reaches far into the row at the cost of one maximum for each item. A partial sort of the whole row would take
    longer than all the rest.
    """
    piles, columns = max(PILES * k, FEWEST_PILES), scores.shape[1]
    if columns < 2 * piles:
        return np.full(len(scores), LOWEST)
    best = scores[:, : columns // piles * piles].reshape(len(scores), -1, piles).max(axis=1)
    floors: npt.NDArray[Any] = np.partition(best, -k, axis=1)[:, -k]
    return floors
