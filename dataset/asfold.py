"""All features of a log for the leave-one-out protocol, and each of them as it may be read when a part is asked.

The counterpart of `dataset.asof`, where moments are the same for everybody. Here each user has a last and a second last
item of their own: whatever is counted over users is counted without what is held out, apart for validation and test,
and a history ends where its query's target stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset.asof import Plan
from dataset.encoding import known_items
from dataset.features import Popularity, counts, first_seen, popularity
from dataset.leakage import AsOf, Parts
from dataset.query import Longs, Queries, Timelines
from dataset.split import TEST, VALIDATION
from dataset.timelines import Log, first_takings, queries_in_order, timelines

Views = Mapping[str, AsOf]
"""Feature name -> its values as a model may read them when a part is asked."""


@dataclass(frozen=True)
class Known:
    """What is known when a part is asked: everything that is in an earlier one."""

    popularity: Popularity
    counts: Longs
    """[num_items] interactions."""
    first_seen: Longs
    """[num_items] time of the first of them, NEVER when there is none."""
    interactions: Longs
    """[num_users] how many of each timeline."""


@dataclass(frozen=True)
class Built:
    """The features of one log."""

    timelines: Timelines
    queries: Queries
    """Of all parts, in time order."""
    part: npt.NDArray[np.int8]
    """[queries] which part each belongs to."""
    known: Mapping[int, Known]
    """VALIDATION and TEST -> what is known then."""
    names: list[str]
    """The vocabulary's items, in order."""


def build(log: Log, parts: Parts, plan: Plan) -> Built:
    """Makes every feature that depends on interactions.

    Args:
        log: interactions in time order.
        parts: [interactions] as `dataset.split.leave_one_out` gives them.
        plan: what stays the same however much is held out.
    """
    lines = timelines(log, len(plan.encoded.users))
    fit = log[parts < TEST]
    return Built(
        timelines=lines,
        queries=queries_in_order(log, lines),
        part=parts[first_takings(log)],
        known={part: _known(log[parts < part], plan) for part in (VALIDATION, TEST)},
        names=known_items(plan.encoded.names, fit.identity, plan.min_item_count),
    )


def views(built: Built, asked: Queries, part_asked: Parts, plan: Plan) -> Views:
    """What the leak guard compares.

    Args:
        built: the features.
        asked: the queries of the whole log: who is asked in which part, and when, is no secret.
        part_asked: [asked] their parts.
        plan: what they were built by.
    """
    names = np.array(built.names, dtype=np.str_)

    def questions(part: int) -> Queries:
        own = built.queries[built.part == part]
        rest = asked[part_asked == part]
        # Where they are not in the log, everything that is there comes before them.
        return own if len(own) else _at_the_end(built.timelines, rest)

    def earlier(part: int) -> npt.NDArray[np.int64]:
        rows = built.queries[built.part < part]
        return np.stack([rows.user, rows.end, rows.time, rows.target], axis=1)

    return {
        "history": lambda part: questions(part).history(plan.history_length),
        "context": lambda part: questions(part).context(),
        "timelines": lambda part: built.timelines.first(built.known[part].interactions).items,
        "queries": earlier,
        "popularity": lambda part: built.known[part].popularity.values,
        "first_seen": lambda part: built.known[part].first_seen,
        "counts": lambda part: built.known[part].counts,
        "vocabulary": lambda part: names if part == TEST else names[:0],
    }


def _known(log: Log, plan: Plan) -> Known:
    n_items = len(plan.encoded.items)
    return Known(
        popularity=popularity(log, n_items, windows_days=plan.windows_days, snapshot_days=plan.snapshot_days),
        counts=counts(log, n_items),
        first_seen=first_seen(log, n_items),
        interactions=np.diff(timelines(log, len(plan.encoded.users)).starts),
    )


def _at_the_end(lines: Timelines, asked: Queries) -> Queries:
    return Queries(lines, asked.user, np.diff(lines.starts)[asked.user], asked.time, asked.target)
