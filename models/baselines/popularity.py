"""Most popular: the same list for everyone. A model that does not beat it has learned nothing about anyone."""

import numpy as np

from dataset.query import Longs, Timelines
from scoring.popular import Popular


def fit(known: Timelines, num_items: int, *, freeze: int, window_seconds: int | None = None) -> Popular:
    """Scores each item by how often it was taken.

    Args:
        known: what may be learned from.
        num_items: size of the vocabulary.
        freeze: end of the window, seconds since 1970-01-01 UTC.
        window_seconds: length of the window, for recent popularity; None for all time.
    """
    return Popular(counts(known, num_items, freeze=freeze, window_seconds=window_seconds).astype(np.float32))


def counts(known: Timelines, num_items: int, *, freeze: int, window_seconds: int | None = None) -> Longs:
    """[num_items] interactions in the window that ends at the freeze."""
    inside = known.times < freeze
    if window_seconds is not None:
        inside &= known.times >= freeze - window_seconds
    return np.bincount(known.items[inside], minlength=num_items).astype(np.int64)
