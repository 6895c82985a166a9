"""What a model is asked: a user's history up to a moment. One code path for training, evaluation and serving.

Every user has one timeline, their interactions in time order. A query points into it: user u, the first `end`
interactions of u's timeline, a moment, and offline also the target, the item that was taken at that moment. `end`
counts interactions strictly before the moment, so that nothing at or after it can be seen through a query. (In the
leave-one-out protocol it counts what stands before the target in the user's timeline, also of the same second.)
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

import durable
from dataset.vocabulary import OOV, PADDING

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

CONTEXT: Final = ("hour_sin", "hour_cos", "recency", "experience")
INPUTS: Final = ("history", "age", "context")
"""What a query tower may read of a query."""
DAY_SECONDS: Final = 86_400
LONGEST_AGE: Final = np.iinfo(np.int32).max
"""Seconds; what is older is as old."""


@dataclass(frozen=True)
class Timelines:
    """All users' interactions, user after user, each in time order (ties in file order).

    Out-of-vocabulary items are left out: a model can neither read nor recommend them.
    """

    starts: Longs
    """[num_users + 1]: user u owns the interactions starts[u] to starts[u + 1]."""
    items: Ints
    """[num_interactions]: item index."""
    times: Longs
    """[num_interactions]: seconds since 1970-01-01 UTC."""

    def before(self, moment: int) -> "Timelines":
        """What had happened before a moment, of the same users."""
        known = self.times < moment
        kept = np.concatenate([[0], np.cumsum(known)])
        return Timelines(kept[self.starts], self.items[known], self.times[known])

    def first(self, count: Longs) -> "Timelines":
        """The first `count` [num_users] interactions of each user."""
        known = np.arange(len(self.items)) < np.repeat(self.starts[:-1] + count, np.diff(self.starts))
        return Timelines(np.concatenate([[0], np.cumsum(count)]).astype(np.int64), self.items[known], self.times[known])

    def write(self, path: Path) -> None:
        """Writes a plain .npz; the bytes depend on the contents alone."""
        durable.write_arrays(path, {"starts": self.starts, "items": self.items, "times": self.times})

    @classmethod
    def read(cls, path: Path) -> "Timelines":
        """Reads what `write` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["starts"], arrays["items"], arrays["times"])


@dataclass(frozen=True)
class Queries:
    """A batch of n queries on one set of timelines; slicing it with a mask, an index array or a slice gives another."""

    timelines: Timelines
    user: Ints
    """[n]: whose timeline."""
    end: Longs
    """[n]: how many of the user's interactions can be seen: those before the moment."""
    time: Longs
    """[n]: the moment, seconds since 1970-01-01 UTC."""
    target: Ints
    """[n]: item index that was taken; OOV when the model cannot know it; PADDING when there is none (serving)."""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: slice | npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> "Queries":
        return Queries(self.timelines, self.user[rows], self.end[rows], self.time[rows], self.target[rows])

    def write(self, path: Path) -> None:
        """Writes the pointers, without the timelines, as a plain .npz."""
        arrays = {name: getattr(self, name) for name in ("user", "end", "time", "target")}
        durable.write_arrays(path, arrays)

    @classmethod
    def read(cls, path: Path, timelines: Timelines) -> "Queries":
        """Reads what `write` wrote, onto the same timelines."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(timelines, arrays["user"], arrays["end"], arrays["time"], arrays["target"])

    def history(self, length: int) -> Ints:
        """[n, length]: each query's latest items, newest first, filled up with PADDING."""
        return self._items(self._recent(length))

    def ages(self, length: int) -> Ints:
        """[n, length]: seconds from each of those items to the query's moment, 0 where there is PADDING."""
        return self._ages(self._recent(length))

    def inputs(self, length: int, names: Collection[str] = INPUTS) -> dict[str, npt.NDArray[np.generic]]:
        """What a query tower reads, by name: those of INPUTS that are asked for."""
        recent = self._recent(length)
        found: dict[str, npt.NDArray[np.generic]] = {}
        if "history" in names:
            found["history"] = self._items(recent)
        if "age" in names:
            found["age"] = self._ages(recent)
        if "context" in names:
            found["context"] = self.context()
        return found

    def context(self) -> Floats:
        """[n, len(CONTEXT)]: time of day on a circle, days since the last interaction, and history length.

        The latter two are logarithms scaled to about 0..1; recency is 1 where there is no history.
        """
        found = np.empty((len(self), len(CONTEXT)), np.float32)
        angle = (self.time % DAY_SECONDS) * (2 * np.pi / DAY_SECONDS)
        found[:, 0], found[:, 1] = np.sin(angle), np.cos(angle)
        present = self.end > 0
        position = (self.timelines.starts[self.user] + self.end)[present] - 1
        days = (self.time[present] - self.timelines.times[position]) / DAY_SECONDS
        found[:, 2] = 1.0
        # More than a year counts as a year: a model must not meet a recency beyond all that it was trained on.
        found[present, 2] = np.log1p(np.minimum(np.maximum(days, 0), 365)) / np.log1p(365)
        found[:, 3] = np.log1p(self.end) / np.log1p(1000)
        return found

    def seen(self) -> tuple[Longs, Ints]:
        """(row, item) pairs, one for each earlier interaction of each query: rows [m] index this batch."""
        row = np.arange(len(self)).repeat(self.end)
        ahead = self.timelines.starts[self.user] + self.end - self.end.cumsum()
        return row, self.timelines.items[np.arange(len(row)) + ahead[row]]

    def unseen(self, catalogue: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """[n, num_items] what may stand in each query's list: of the catalogue [num_items], and not taken before."""
        allowed = np.repeat(catalogue[None], len(self), axis=0)
        allowed[self.seen()] = False
        return allowed

    def known(self) -> npt.NDArray[np.bool_]:
        """[n]: whether the target is an item a model can recommend."""
        return self.target > OOV

    def _recent(self, length: int) -> tuple[Longs, npt.NDArray[np.bool_]]:
        """Positions in the timelines of the latest items [m], row by row, newest first; where they go [n, length]."""
        back = np.arange(1, length + 1)
        present = back <= self.end[:, None]
        return ((self.timelines.starts[self.user] + self.end)[:, None] - back)[present], present

    def _items(self, recent: tuple[Longs, npt.NDArray[np.bool_]]) -> Ints:
        position, present = recent
        items = np.full(present.shape, PADDING, np.int32)
        items[present] = self.timelines.items[position]
        return items

    def _ages(self, recent: tuple[Longs, npt.NDArray[np.bool_]]) -> Ints:
        position, present = recent
        ages = np.zeros(present.shape, np.int32)
        moment = np.repeat(self.time, np.count_nonzero(present, axis=1))
        ages[present] = np.minimum(moment - self.timelines.times[position], LONGEST_AGE)
        return ages


def ask(items: Ints, times: Longs, moment: int) -> Queries:
    """One query from one history, as the endpoint asks it.

    Args:
        items: [h] item indices in time order, none of them PADDING or OOV.
        times: [h] their times; all at or before `moment`.
        moment: now, seconds since 1970-01-01 UTC.
    """
    return ask_all([(items, times, moment)])


def ask_all(histories: Sequence[tuple[Ints, Longs, int]]) -> Queries:
    """One query from each history: (items, times, moment) as `ask` has them."""
    items, times, moments = zip(*histories, strict=True)
    count, end = len(histories), np.array([*map(len, items)], np.int64)
    starts = np.zeros(count + 1, np.int64)
    end.cumsum(out=starts[1:])
    return Queries(
        Timelines(starts, np.concatenate(items), np.concatenate(times)),
        user=np.arange(count, dtype=np.int32),
        end=end,
        time=np.array(moments, np.int64),
        target=np.full(count, PADDING, np.int32),
    )
