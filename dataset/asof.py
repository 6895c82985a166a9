"""All features of a log in one place, and each of them as it may be read at a moment.

`build` is the only way features are made: what `featurize` writes and what the leak guard cuts apart come from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset.encoding import Encoded, known_items
from dataset.features import NEVER, Popularity, counts, first_seen, popularity
from dataset.leakage import AsOf
from dataset.query import Longs, Queries, Timelines
from dataset.split import Cuts
from dataset.timelines import Log, ends, queries, timelines


@dataclass(frozen=True)
class Plan:
    """What stays the same however much of the future is cut away."""

    encoded: Encoded
    cuts: Cuts
    history_length: int
    min_item_count: int
    windows_days: list[int]
    snapshot_days: int


@dataclass(frozen=True)
class Built:
    """The features of one log."""

    timelines: Timelines
    queries: Queries
    """Of all parts, in time order."""
    popularity: Popularity
    count_train: Longs
    count_fit: Longs
    first_seen: Longs
    known: list[str]
    """The vocabulary's items, in order."""


def build(log: Log, plan: Plan) -> Built:
    """Makes every feature that depends on interactions."""
    n_items = len(plan.encoded.items)
    lines = timelines(log, len(plan.encoded.users))
    fit = log.before(plan.cuts.test_start)
    return Built(
        timelines=lines,
        queries=queries(log, lines),
        popularity=popularity(log, n_items, windows_days=plan.windows_days, snapshot_days=plan.snapshot_days),
        count_train=counts(log.before(plan.cuts.validation_start), n_items),
        count_fit=counts(fit, n_items),
        first_seen=first_seen(log, n_items),
        known=known_items(plan.encoded.names, fit.identity, plan.min_item_count),
    )


def views(built: Built, plan: Plan) -> Mapping[str, AsOf]:
    """Feature name -> its values as a model may read them at a moment.

    What is frozen at the start of validation or test is empty before that moment, because nothing may read it then.
    """
    validation_start, test_start = plan.cuts.validation_start, plan.cuts.test_start
    known = np.array(built.known, dtype=np.str_)
    return {
        "history": lambda time: _everyone(built, time).history(plan.history_length),
        "context": lambda time: _everyone(built, time).context(),
        "queries": lambda time: _asked_before(built.queries, time),
        "popularity": lambda time: built.popularity.values[built.popularity.snapshot(np.array([time]))[0]],
        "first_seen": lambda time: np.where(built.first_seen < time, built.first_seen, NEVER),
        "count_train": lambda time: _from(validation_start, time, built.count_train),
        "count_fit": lambda time: _from(test_start, time, built.count_fit),
        "vocabulary": lambda time: _from(test_start, time, known),
    }


def _everyone(built: Built, time: int) -> Queries:
    """What each user's history is at one moment."""
    users = np.arange(len(built.timelines.starts) - 1, dtype=np.int32)
    times = np.full(len(users), time, np.int64)
    return Queries(built.timelines, users, ends(built.timelines, users, times), times, np.zeros_like(users))


def _asked_before(asked: Queries, time: int) -> npt.NDArray[np.int64]:
    """[n, 4] the queries that had been asked."""
    rows = asked[asked.time < time]
    return np.stack([rows.user, rows.end, rows.time, rows.target], axis=1)


def _from(moment: int, time: int, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return values if time >= moment else values[:0]
