"""From a prepared log to timelines and the queries that point into them.

A query stands for the moment before a user takes an item for the first time: its history is every earlier interaction
of that user (strictly earlier by timestamp, so that nothing of the same second leaks in; in the leave-one-out protocol
earlier by file order among those of a second), its target the item. Repeated takings of an item are no queries, because
items a user has already seen are removed from every list. A target that is out of vocabulary stays a query: a model
cannot get it right, and the metrics must say so.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset.query import Queries, Timelines
from dataset.vocabulary import OOV


@dataclass(frozen=True)
class Log:
    """A prepared log as codes, in time order (ties in file order)."""

    user: npt.NDArray[np.int32]
    """[interactions] index of the user."""
    item: npt.NDArray[np.int32]
    """[interactions] item index in the vocabulary, OOV included."""
    identity: npt.NDArray[np.int64]
    """[interactions] number of the item among all items, in vocabulary or not; tells OOV items apart."""
    time: npt.NDArray[np.int64]
    """[interactions] seconds since 1970-01-01 UTC, ascending."""

    def before(self, moment: int) -> "Log":
        """What was known just before `moment`."""
        return self[: int(np.searchsorted(self.time, moment))]

    def __getitem__(self, rows: slice | npt.NDArray[np.bool_]) -> "Log":
        return Log(self.user[rows], self.item[rows], self.identity[rows], self.time[rows])


def timelines(log: Log, num_users: int) -> Timelines:
    """All users' interactions with items of the vocabulary."""
    known = log.item > OOV
    user, item, time = log.user[known], log.item[known], log.time[known]
    order = np.argsort(user, kind="stable")
    starts = np.searchsorted(user[order], np.arange(num_users + 1)).astype(np.int64)
    return Timelines(starts, item[order], time[order])


def queries(log: Log, lines: Timelines) -> Queries:
    """One query for each first taking of an item by a user, in time order."""
    first = first_takings(log)
    user, time = log.user[first], log.time[first]
    return Queries(lines, user, ends(lines, user, time), time, log.item[first])


def queries_in_order(log: Log, lines: Timelines) -> Queries:
    """The same queries, but what a user took in the same second stands in the history if it stands earlier in the log.

    For leave-one-out, where the last of a second is held out and the others are not.
    """
    first = first_takings(log)
    order = np.argsort(log.user, kind="stable")
    known = log.item[order] > OOV
    # How many known ones stand before a row, of all users who come before and of its own.
    before = np.empty(len(order), np.int64)
    before[order] = np.cumsum(known) - known
    user = log.user[first]
    return Queries(lines, user, before[first] - lines.starts[user], log.time[first], log.item[first])


def first_takings(log: Log) -> npt.NDArray[np.int64]:
    """Rows in which a user takes an item for the first time, ascending."""
    pair = log.user.astype(np.int64) * (int(log.identity.max(initial=0)) + 1) + log.identity
    return np.sort(np.unique(pair, return_index=True)[1]).astype(np.int64)


def ends(lines: Timelines, user: npt.NDArray[np.int32], time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[n] how many interactions of each user lie strictly before each moment.

    Args:
        lines: the timelines.
        user: [n] whose.
        time: [n] the moments.
    """
    if len(lines.times) == 0:
        return np.zeros(len(user), np.int64)
    earliest, span = int(lines.times.min()), int(np.ptp(lines.times)) + 2
    owner = np.repeat(np.arange(len(lines.starts) - 1), np.diff(lines.starts))
    # user * span + time is ascending along the timelines, so one search finds a moment in each user's part.
    keys = owner * span + (lines.times - earliest)
    wanted = user.astype(np.int64) * span + np.clip(time - earliest, 0, span - 1)
    return (np.searchsorted(keys, wanted) - lines.starts[user]).astype(np.int64)
