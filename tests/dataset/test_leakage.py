from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest

from dataset import asof, timelines
from dataset.asof import Built, Plan
from dataset.encoding import encode
from dataset.features import Popularity, counts, popularity
from dataset.leakage import AsOf, LeakError, check_point_in_time
from dataset.query import DAY_SECONDS, Queries, Timelines
from dataset.schema import ITEM, TIMESTAMP, USER
from dataset.split import cut
from dataset.timelines import Log, ends
from tests.shop import shop

TIE_SECONDS = 3 * 3600


@pytest.fixture(scope="module", params=[1, 2], ids=["1 taking", "2 takings"])
def plan(request: pytest.FixtureRequest) -> Plan:
    """A shop whose times are rounded to three hours, so that several orders fall on one moment."""
    orders = shop(seed=11, customers=20, products=24, orders=400).orders
    seconds = pd.to_datetime(orders["bought_at"]).to_numpy("datetime64[s]").astype(np.int64)
    time = seconds // TIE_SECONDS * TIE_SECONDS
    table = pa.table({USER: orders["customer"].tolist(), ITEM: orders["sku"].tolist(), TIMESTAMP: time})
    cuts = cut(time, validation_share=0.2, test_share=0.2)
    return Plan(
        encoded=encode(table, fit=time < cuts.test_start, min_item_count=request.param),
        cuts=cuts,
        history_length=5,
        min_item_count=request.param,
        windows_days=[7, 30, 36_500],
        snapshot_days=1,
    )


def moments(plan: Plan) -> list[int]:
    """Both freezes, moments at which several orders fall, and one at which an item is taken for the first time."""
    times, orders = np.unique(plan.encoded.log.time, return_counts=True)
    tied = times[orders > 1]
    chosen = tied[[len(tied) // 3, len(tied) // 2, -1]].tolist()
    chosen.append(int(plan.encoded.log.time[np.unique(plan.encoded.log.item, return_index=True)[1].max()]))
    return sorted({plan.cuts.validation_start, plan.cuts.test_start, *chosen})


def check(plan: Plan) -> None:
    check_point_in_time(lambda known: asof.views(asof.build(known, plan), plan), plan.encoded.log, moments(plan))


def planted(plan: Plan, name: str, make: Callable[[Log, Built], AsOf]) -> None:
    """Runs the guard on the real features, and a canary that `make` builds from the log that is known."""

    def build(known: Log) -> Mapping[str, AsOf]:
        built = asof.build(known, plan)
        return {**asof.views(built, plan), name: make(known, built)}

    check_point_in_time(build, plan.encoded.log, moments(plan))


def everyone(plan: Plan, built: Built, time: int, moment: int) -> Queries:
    """Every user's history up to `moment`, asked at `time`."""
    users = np.arange(len(plan.encoded.users), dtype=np.int32)
    end = ends(built.timelines, users, np.full(len(users), moment))
    return Queries(built.timelines, users, end, np.full(len(users), time), np.zeros_like(users))


def test_the_log_has_ties(plan: Plan) -> None:
    times = plan.encoded.log.time
    assert sum((times == moment).sum() > 1 for moment in moments(plan)) >= 3


def test_the_real_features_know_nothing_of_the_future(plan: Plan) -> None:
    check(plan)


def test_the_guard_sees_every_feature(plan: Plan) -> None:
    views = asof.views(asof.build(plan.encoded.log, plan), plan)
    assert set(views) == {
        "history", "context", "queries", "popularity", "first_seen", "count_train", "count_fit", "vocabulary",
    }  # fmt: skip
    for name, view in views.items():
        assert view(int(plan.encoded.log.time[-1])).size > 0, name


def test_a_feature_of_the_past_is_no_leak(plan: Plan) -> None:
    n_items = len(plan.encoded.items)
    planted(plan, "canary", lambda known, _built: lambda time: counts(known.before(time), n_items))


def test_an_items_count_over_the_whole_log_is_a_leak(plan: Plan) -> None:
    n_items = len(plan.encoded.items)
    first = moments(plan)[0]
    with pytest.raises(LeakError, match=rf"feature 'canary' at time {first} changes .* First difference at \(\d+,\)"):
        planted(plan, "canary", lambda known, _built: lambda _time: counts(known, n_items))


def test_the_row_of_the_querys_own_second_is_a_leak(plan: Plan) -> None:
    def make(known: Log, built: Built) -> AsOf:
        return lambda time: everyone(plan, built, time, time + 1).history(5)

    with pytest.raises(LeakError, match="feature 'canary' at time"):
        planted(plan, "canary", make)


def test_a_count_that_includes_the_moment_itself_is_a_leak(plan: Plan) -> None:
    n_items = len(plan.encoded.items)
    with pytest.raises(LeakError, match="feature 'canary'"):
        planted(plan, "canary", lambda known, _built: lambda time: counts(known.before(time + 1), n_items))


def test_the_next_snapshot_is_a_leak(plan: Plan) -> None:
    def make(known: Log, built: Built) -> AsOf:
        shares = built.popularity

        def next_snapshot(time: int) -> npt.NDArray[np.float32]:
            row = np.searchsorted(shares.snapshot_times, time, side="right")
            values: npt.NDArray[np.float32] = shares.values[min(int(row), len(shares.values) - 1)]
            return values

        return next_snapshot

    with pytest.raises(LeakError, match="feature 'canary'"):
        planted(plan, "canary", make)


def test_one_value_of_many_is_enough(plan: Plan) -> None:
    def make(known: Log, built: Built) -> AsOf:
        return lambda _time: np.array([0.0] * 999 + [known.time[-1]])

    with pytest.raises(LeakError, match=r"First difference at \(999,\)"):
        planted(plan, "canary", make)


def test_another_shape_or_type_is_a_leak(plan: Plan) -> None:
    with pytest.raises(LeakError, match=r"Without: int64\(\d+,\)\. Received: int64\(400,\)"):
        planted(plan, "canary", lambda known, _built: lambda _time: known.time)


def test_what_is_not_a_number_in_both_is_the_same(plan: Plan) -> None:
    planted(plan, "canary", lambda _known, _built: lambda _time: np.array([np.nan]))


def inclusive(lines: Timelines, user: npt.NDArray[np.int32], time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return ends(lines, user, time + 1)


def test_a_bug_in_the_histories_is_found(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asof, "ends", inclusive)
    with pytest.raises(LeakError, match="feature 'history'"):
        check(plan)


def test_a_bug_in_the_popularity_is_found(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def a_day_late(log: Log, n_items: int, *, windows_days: list[int], snapshot_days: int) -> Popularity:
        right = popularity(log, n_items, windows_days=windows_days, snapshot_days=snapshot_days)
        return Popularity(right.snapshot_times - DAY_SECONDS, right.values)

    monkeypatch.setattr(asof, "popularity", a_day_late)
    with pytest.raises(LeakError, match="feature 'popularity'"):
        check(plan)


def test_a_count_that_is_frozen_too_late_is_found(plan: Plan) -> None:
    with pytest.raises(LeakError, match="feature 'count_fit'"):
        planted(plan, "count_fit", lambda known, _built: lambda _time: counts(known, len(plan.encoded.items)))


def test_a_query_of_one_second_does_not_see_another_of_it(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guard cannot see, because it cuts before the moment: queries of a tie must not know each other."""
    log = plan.encoded.log
    asked = asof.build(log, plan).queries
    last = asked.timelines.starts[asked.user] + asked.end - 1
    assert (asked.timelines.times[last[asked.end > 0]] < asked.time[asked.end > 0]).all()
    monkeypatch.setattr(timelines, "ends", inclusive)
    wrong = asof.build(log, plan).queries
    last = wrong.timelines.starts[wrong.user] + wrong.end - 1
    assert not (wrong.timelines.times[last[wrong.end > 0]] < wrong.time[wrong.end > 0]).all()
