"""Leave-one-out from the log to the folds: told anew with loops, and guarded against what is held out."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest

from dataset import asfold
from dataset.asfold import Built, Views
from dataset.asof import Plan
from dataset.encoding import encode
from dataset.features import counts
from dataset.leakage import AsOf, LeakError, Parts, check_held_out
from dataset.query import Queries, Timelines
from dataset.schema import ITEM, TIMESTAMP, USER
from dataset.split import TEST, TRAIN, VALIDATION, ends_of_parts, leave_one_out
from dataset.timelines import Log, ends, queries_in_order, timelines
from dataset.vocabulary import OOV
from tests.shop import shop

TIE_SECONDS = 6 * 3600
LENGTH = 5


@pytest.fixture(scope="module", params=[1, 2], ids=["1 taking", "2 takings"])
def case(request: pytest.FixtureRequest) -> tuple[Plan, Parts]:
    """A shop whose times are rounded to six hours, so that users have several orders of one moment."""
    orders = shop(seed=11, customers=20, products=24, orders=400).orders
    seconds = pd.to_datetime(orders["bought_at"]).to_numpy("datetime64[s]").astype(np.int64)
    time = seconds // TIE_SECONDS * TIE_SECONDS
    table = pa.table({USER: orders["customer"].tolist(), ITEM: orders["sku"].tolist(), TIMESTAMP: time})
    parts = leave_one_out(pd.factorize(orders["customer"])[0], pd.factorize(orders["sku"])[0])
    plan = Plan(
        encoded=encode(table, fit=parts < TEST, min_item_count=request.param),
        cuts=ends_of_parts(time, parts),
        history_length=LENGTH,
        min_item_count=request.param,
        windows_days=[7, 36_500],
        snapshot_days=1,
    )
    return plan, parts


def check(case: tuple[Plan, Parts], **planted: Callable[[Log, Parts, Built], AsOf]) -> None:
    """Runs the guard on the real features, and canaries that are built from what is known."""
    plan, parts = case
    whole = asfold.build(plan.encoded.log, parts, plan)

    def views(log: Log, own: Parts) -> Views:
        built = asfold.build(log, own, plan)
        canaries = {name: make(log, own, built) for name, make in planted.items()}
        return {**asfold.views(built, whole.queries, whole.part, plan), **canaries}

    check_held_out(views, plan.encoded.log, parts)


def test_a_query_sees_what_stands_before_it_in_the_log() -> None:
    # User 0 takes A, B and C in one second, A again, something unknown, D; user 1 takes B in between.
    rows = np.array([(0, 2, 0), (0, 3, 1), (1, 3, 1), (0, 4, 2), (0, 2, 0), (0, OOV, 8), (0, 5, 3)])
    log = Log(rows[:, 0].astype(np.int32), rows[:, 1].astype(np.int32), rows[:, 2], np.full(7, 20))
    asked = queries_in_order(log, timelines(log, 3))
    assert asked.user.tolist() == [0, 0, 1, 0, 0, 0]
    assert asked.target.tolist() == [2, 3, 3, 4, OOV, 5]
    assert asked.end.tolist() == [0, 1, 0, 2, 4, 4]
    assert asked.history(4)[[0, 3, 5]].tolist() == [[0, 0, 0, 0], [3, 2, 0, 0], [2, 4, 3, 2]]
    assert not asked.ages(4).any()


def test_the_first_interactions_of_each_user() -> None:
    lines = Timelines(np.array([0, 3, 3, 5]), np.array([2, 3, 4, 5, 6], np.int32), np.arange(5))
    kept = lines.first(np.array([2, 0, 1]))
    assert (kept.starts.tolist(), kept.items.tolist(), kept.times.tolist()) == ([0, 2, 2, 3], [2, 3, 5], [0, 1, 3])


def test_histories_parts_and_counts_are_what_a_loop_finds(case: tuple[Plan, Parts]) -> None:
    plan, parts = case
    log = plan.encoded.log
    built = asfold.build(log, parts, plan)
    told = [
        (int(user), int(time), int(target), int(part), [int(item) for item in row if item])
        for user, time, target, part, row in zip(
            built.queries.user, built.queries.time, built.queries.target, built.part,
            built.queries.history(LENGTH), strict=True,
        )
    ]  # fmt: skip
    lines: dict[int, list[int]] = {}
    met: set[tuple[int, int]] = set()
    expected = []
    for row in range(len(log.user)):
        user, item, name = int(log.user[row]), int(log.item[row]), int(log.identity[row])
        line = lines.setdefault(user, [])
        if (user, name) not in met:
            expected.append((user, int(log.time[row]), item, int(parts[row]), line[: -LENGTH - 1 : -1]))
        met.add((user, name))
        line += [item] if item > OOV else []
    assert told == expected
    for part in (VALIDATION, TEST):
        inside = (parts < part) & (log.item > OOV)
        found = built.known[part]
        assert found.counts.tolist() == np.bincount(log.item[inside], minlength=len(plan.encoded.items)).tolist()
        assert found.interactions.tolist() == np.bincount(log.user[inside], minlength=20).tolist()
        known = built.timelines.first(found.interactions)
        assert np.bincount(known.items, minlength=len(found.counts)).tolist() == found.counts.tolist()
        asked = built.queries[built.part == part]
        # A history is never longer than what is known, and all of it: what comes after the target is not.
        assert asked.end.tolist() == np.diff(known.starts)[asked.user].tolist()
    assert (np.bincount(built.part)[[VALIDATION, TEST]] == 20).all()
    assert (np.bincount(built.part)[TRAIN]) > 100


def test_a_users_moments_are_not_those_of_others(case: tuple[Plan, Parts]) -> None:
    """Somebody's held out item is older than what may be learned of somebody else: that is what the protocol means."""
    plan, parts = case
    time = plan.encoded.log.time
    assert time[parts == TEST].min() < time[parts == TRAIN].max()


def test_the_real_features_know_nothing_that_is_held_out(case: tuple[Plan, Parts]) -> None:
    check(case)


def test_counting_what_is_held_out_is_a_leak(case: tuple[Plan, Parts]) -> None:
    size = len(case[0].encoded.items)
    check(case, mine=lambda log, parts, _built: lambda part: counts(log[parts < part], size))
    with pytest.raises(LeakError, match="feature 'mine' for the test changes when what is held out for it is removed"):
        check(case, mine=lambda log, _parts, _built: lambda part: counts(log, size) * (part == TEST))
    with pytest.raises(LeakError, match="feature 'mine' for the validation changes"):
        check(case, mine=lambda log, parts, _built: lambda _part: counts(log[parts < TEST], size))


def test_a_timeline_that_is_cut_by_time_is_a_leak(case: tuple[Plan, Parts]) -> None:
    """What the temporal protocol does: at the moment known.max() the last items of most users are over."""
    moment = case[0].cuts.test_start
    with pytest.raises(LeakError, match="feature 'mine'"):
        check(case, mine=lambda _log, _parts, built: lambda _part: built.timelines.before(moment).items)


def test_a_history_that_holds_its_target_is_a_leak(case: tuple[Plan, Parts], monkeypatch: pytest.MonkeyPatch) -> None:
    def inclusive(log: Log, lines: Timelines) -> Queries:
        right = queries_in_order(log, lines)
        return Queries(lines, right.user, right.end + (right.target > OOV), right.time, right.target)

    monkeypatch.setattr(asfold, "queries_in_order", inclusive)
    with pytest.raises(LeakError, match="feature 'history' for the validation"):
        check(case)


def test_a_history_up_to_a_moment_is_refused(case: tuple[Plan, Parts], monkeypatch: pytest.MonkeyPatch) -> None:
    """The other items of the target's second stand before it in the log, so they belong to its history."""

    def strictly(log: Log, lines: Timelines) -> Queries:
        right = queries_in_order(log, lines)
        return Queries(lines, right.user, ends(lines, right.user, right.time), right.time, right.target)

    monkeypatch.setattr(asfold, "queries_in_order", strictly)
    with pytest.raises(LeakError, match="feature 'history'"):
        check(case)


def test_the_guard_sees_every_feature(case: tuple[Plan, Parts]) -> None:
    plan, parts = case
    built = asfold.build(plan.encoded.log, parts, plan)
    views = asfold.views(built, built.queries, built.part, plan)
    assert set(views) == {
        "history", "context", "timelines", "queries", "popularity", "first_seen", "counts", "vocabulary",
    }  # fmt: skip
    sizes: dict[str, npt.NDArray[np.generic]] = {name: view(TEST) for name, view in views.items()}
    assert all(value.size for value in sizes.values())
