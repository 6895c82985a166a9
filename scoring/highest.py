"""The k highest of each row, in the one order that all lists have: best first, the earlier first among equals."""

from typing import Final

import numpy as np

from dataset.query import Floats, Longs

NOTHING: Final = -1
"""Stands for an item where there are no more."""
LOWEST: Final = -np.inf
"""The score of what may not be listed, and of nothing."""


def highest(scores: Floats, k: int, items: Longs) -> tuple[Longs, Floats]:
    """Items [n, k] and scores [n, k] of the k highest above LOWEST, filled up with NOTHING and LOWEST.

    Args:
        scores: [n, m]
        k: how many.
        items: [m] or [n, m] what each column stands for, ascending.
    """
    best, values = np.full((len(scores), k), NOTHING, np.int64), np.full((len(scores), k), LOWEST, np.float32)
    names = np.broadcast_to(items, scores.shape)
    for row, found in enumerate(scores):
        border = np.partition(found, -k)[-k] if len(found) > k else LOWEST
        places = np.flatnonzero((found >= border) & (found > LOWEST))
        order = places[np.argsort(-found[places], kind="stable")][:k]
        best[row, : len(order)], values[row, : len(order)] = names[row, order], found[order]
    return best, values
