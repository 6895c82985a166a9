"""Small questions for the evaluation's tests: histories written out as lists, and a scorer that reads a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dataset.query import Floats, Queries, Timelines

MOMENT = 1_700_000_000


@dataclass(frozen=True)
class Table:
    """Answers each query with the row of `values` that belongs to its user."""

    values: Floats
    """[users, num_items]"""

    def scores(self, queries: Queries) -> Floats:
        return self.values[queries.user]


def questions(
    histories: Sequence[Sequence[int]], targets: Sequence[int], users: Sequence[int] | None = None
) -> Queries:
    """One query for each history: user i has taken histories[i] and then targets[i], unless `users` says otherwise."""
    lengths = [len(history) for history in histories]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = np.array([item for history in histories for item in history], np.int32)
    times = np.concatenate([MOMENT - 100 + np.arange(length) for length in [*lengths, 0]]).astype(np.int64)
    who = np.arange(len(histories)) if users is None else np.array(users, np.int64)
    return Queries(
        Timelines(starts, items, times),
        user=who.astype(np.int32),
        end=np.array(lengths, np.int64)[who],
        time=np.full(len(who), MOMENT, np.int64),
        target=np.array(targets, np.int32),
    )


def table(*rows: Sequence[float]) -> Table:
    return Table(np.array(rows, np.float32))
