"""Histories that fade: what each of their events weighs, for several half-lives at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dataset.query import Floats, Ints, Queries
from dataset.vocabulary import PADDING


@dataclass(frozen=True)
class Fading:
    """n histories under h half-lives."""

    items: Ints
    """[n, L] newest first, filled up with PADDING."""
    weights: Floats
    """[n, h, L] each row sums to 1, or is zeros where there is no history."""

    def mean(self, table: Floats) -> Floats:
        """[n, h, w] of the histories' rows of `table` [items, w]; zeros without a history."""
        found: Floats = self.weights @ table[self.items]
        return found


def fading(queries: Queries, half_lives: Sequence[float], longest: int) -> Fading:
    """An event weighs .5^(age / half_life), the newest one having age 0.

    Args:
        queries: n queries.
        half_lives: h of them, in positions.
        longest: positions that are read.
    """
    items = queries.history(longest)
    fade = 0.5 ** (np.arange(items.shape[1]) / np.array(half_lives)[:, None])
    weights = fade * (items != PADDING)[:, None]
    total = weights.sum(axis=-1, keepdims=True)
    return Fading(items, np.divide(weights, total, out=weights, where=total > 0).astype(np.float32))
