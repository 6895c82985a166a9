"""Training sequences: stretches of the timelines, and the queries that are answered from each.

A sequence model reads a stretch of events once and answers a query from every position of it. A query belongs to the
event that is the last one strictly before its moment: several queries may share one (a user who takes five items in the
same second), and none is answered from an event of its own second, so that training sees what serving will see.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset.query import Ints, Longs, Queries
from dataset.vocabulary import PADDING

NOWHERE = -1
"""`at` of a query that has no history."""
WIDTH_STEP = 16
"""Batches are as wide as their longest window, rounded up to a multiple of this, so that there are few shapes."""


@dataclass(frozen=True)
class Windows:
    """w windows over the timelines of n queries, each query in exactly one window."""

    queries: Queries
    first: Longs
    """[w]: position in the timelines of the oldest event."""
    size: Longs
    """[w]: events; 0 for a user of whom only queries without history are asked."""
    window: Longs
    """[n]: the window a query is answered from."""

    def __len__(self) -> int:
        return len(self.first)

    def events(self, rows: Longs) -> tuple[Ints, Ints]:
        """Items and ages of windows, [b, width] each, newest first, filled up with PADDING and 0.

        An age is the number of seconds before the window's newest event; only differences of ages mean anything.
        """
        width = -(-max(int(self.size[rows].max(initial=0)), 1) // WIDTH_STEP) * WIDTH_STEP
        back = np.arange(width)
        present = back < self.size[rows][:, None]
        position = np.where(present, (self.first[rows] + self.size[rows] - 1)[:, None] - back, 0)
        items = np.where(present, self.queries.timelines.items[position], PADDING).astype(np.int32)
        times = self.queries.timelines.times[position]
        age = np.where(present, times[:, :1] - times, 0)
        return items, np.minimum(age, np.iinfo(np.int32).max).astype(np.int32)

    def places(self, rows: Longs, asked: Longs, width: int) -> Ints:
        """[m]: flat index into `events(rows)` of the last event before each query; NOWHERE without history.

        Args:
            rows: [b] windows.
            asked: [m] queries, all of these windows.
            width: of the events.
        """
        row_of = np.empty(len(self), np.int64)
        row_of[rows] = np.arange(len(rows))
        window, end = self.window[asked], self.queries.end[asked]
        position = self.queries.timelines.starts[self.queries.user[asked]] + end - 1
        newest = self.first[window] + self.size[window] - 1
        return np.where(end > 0, row_of[window] * width + newest - position, NOWHERE).astype(np.int32)


def windows(queries: Queries, length: int, *, stride: int, generator: np.random.Generator) -> Windows:
    """Cuts the timelines of the queries' users, at random places, into windows.

    Args:
        queries: with known targets.
        length: events a window holds at most.
        stride: events that are a last event for queries in one window, at most `length`; the rest is context that
            the window before it has as well.
        generator: of the places.

    Raises:
        ValueError: a window would not hold all events that its queries are answered from.
    """
    if stride > length:
        raise ValueError(f"stride must be at most length, {length}. Received: {stride}")
    shift = generator.integers(stride, size=len(queries.timelines.starts))[queries.user]
    number = (np.maximum(queries.end - 1, 0) + shift) // stride
    key = queries.user.astype(np.int64) * (int(number.max(initial=0)) + 1) + number
    _, example, window = np.unique(key, return_index=True, return_inverse=True)
    last = np.zeros(len(example), np.int64)
    np.maximum.at(last, window, queries.end)
    first = np.maximum(last - length, 0)
    if stride == length:  # without shared context a window begins where the one before it ends
        first = np.maximum(first, number[example] * stride - shift[example])
    return Windows(
        queries, queries.timelines.starts[queries.user[example]] + first, last - first, window.astype(np.int64)
    )


def batches(
    cut: Windows, *, batch_size: int, generator: np.random.Generator
) -> Iterator[tuple[Longs, npt.NDArray[np.int64]]]:
    """(windows [b], queries [m]) of each batch, in random order; windows of like size stand together to save padding.

    Args:
        cut: the windows.
        batch_size: windows in a batch; the last one may have fewer.
        generator: of the order.
    """
    order = generator.permutation(len(cut))
    order = order[np.argsort(-(-cut.size[order] // WIDTH_STEP), kind="stable")]
    groups = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    by_window = np.argsort(cut.window, kind="stable")
    bounds = np.searchsorted(cut.window[by_window], np.arange(len(cut) + 1))
    for group in generator.permutation(len(groups)):
        rows = groups[group]
        yield rows, np.concatenate([by_window[bounds[row] : bounds[row + 1]] for row in rows])
