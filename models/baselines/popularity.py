"""Most popular: the same list for everyone. A model that does not beat it has learned nothing about anyone."""

from dataclasses import dataclass

import numpy as np

from dataset.query import Floats, Longs, Queries, Timelines


@dataclass(frozen=True)
class Popularity:
    """Scores each item by how often it was taken in a window that ends at the freeze."""

    counts: Longs
    """[num_items]"""

    @classmethod
    def fit(
        cls, timelines: Timelines, num_items: int, *, freeze: int, window_seconds: int | None = None
    ) -> "Popularity":
        """Counts interactions.

        Args:
            timelines: the log; what is at or after `freeze` is not read.
            num_items: size of the vocabulary.
            freeze: end of the window, seconds since 1970-01-01 UTC.
            window_seconds: length of the window, for recent popularity; None for all time.
        """
        inside = timelines.times < freeze
        if window_seconds is not None:
            inside &= timelines.times >= freeze - window_seconds
        return cls(np.bincount(timelines.items[inside], minlength=num_items).astype(np.int64))

    def scores(self, queries: Queries) -> Floats:
        """[n, num_items] the counts, for every query."""
        return np.broadcast_to(self.counts.astype(np.float32), (len(queries), len(self.counts)))
