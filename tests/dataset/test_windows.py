"""Windows hold every query once, and never an event of a query's own second or later."""

import numpy as np
import pytest

from dataset import timelines
from dataset.query import Queries
from dataset.timelines import Log
from dataset.windows import NOWHERE, Windows, batches, windows


def asked(seed: int = 0, users: int = 30, events: int = 900) -> Queries:
    rng = np.random.default_rng(seed)
    item = rng.integers(2, 40, events).astype(np.int32)
    # Few distinct times, so that many events share a second.
    log = Log(
        rng.integers(users, size=events).astype(np.int32),
        item,
        item.astype(np.int64),
        np.sort(rng.integers(300, size=events)),
    )
    return timelines.queries(log, timelines.timelines(log, users))


@pytest.fixture(params=[(8, 8), (8, 4), (16, 5), (200, 200)], ids=str)
def cut(request: pytest.FixtureRequest) -> tuple[Windows, int]:
    length, stride = request.param
    return windows(asked(), length, stride=stride, generator=np.random.default_rng(1)), length


def test_every_query_is_in_one_batch_and_sees_what_was_before_it(cut: tuple[Windows, int]) -> None:
    found, length = cut
    queries, seen = found.queries, []
    for rows, chosen in batches(found, batch_size=7, generator=np.random.default_rng(2)):
        items, ages = found.events(rows)
        places = found.places(rows, chosen, items.shape[1])
        seen.append(chosen)
        for query, place in zip(chosen, places, strict=True):
            history = queries[query : query + 1].history(length)[0]
            if queries.end[query] == 0:
                assert place == NOWHERE
                continue
            row, column = divmod(int(place), items.shape[1])
            visible = items[row, column:]
            visible = visible[visible > 0]
            assert 1 <= len(visible) <= length
            assert visible.tolist() == history[: len(visible)].tolist()
            newest = queries.timelines.starts[queries.user[query]] + queries.end[query] - 1
            assert queries.timelines.times[newest] < queries.time[query]
            assert (np.diff(ages[row, column : column + len(visible)]) >= 0).all()
    assert np.sort(np.concatenate(seen)).tolist() == list(range(len(queries)))


def test_shared_context_is_at_least_what_the_stride_leaves() -> None:
    length, stride = 16, 5
    found = windows(asked(), length, stride=stride, generator=np.random.default_rng(1))
    rows = np.arange(len(found))
    items, _ = found.events(rows)
    places = found.places(rows, np.arange(len(found.queries)), items.shape[1])
    column = places % items.shape[1]
    context = np.minimum(found.queries.end, found.size[found.window] - column)
    assert (context >= np.minimum(found.queries.end, length - stride + 1))[found.queries.end > 0].all()


def test_windows_do_not_overlap_without_shared_context() -> None:
    found = windows(asked(), 8, stride=8, generator=np.random.default_rng(1))
    covered = np.concatenate(
        [np.arange(first, first + size) for first, size in zip(found.first, found.size, strict=True)]
    )
    assert len(np.unique(covered)) == len(covered)


def test_queries_that_would_be_answered_from_outside_their_window_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stride must be at most length, 8\. Received: 9"):
        windows(asked(), 8, stride=9, generator=np.random.default_rng(1))


def test_places_change_with_the_generator() -> None:
    first, second = (windows(asked(), 8, stride=8, generator=np.random.default_rng(seed)) for seed in (1, 2))
    assert first.first.tolist() != second.first.tolist()
    again = windows(asked(), 8, stride=8, generator=np.random.default_rng(1))
    assert first.first.tolist() == again.first.tolist()
