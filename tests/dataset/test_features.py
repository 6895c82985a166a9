from math import log1p
from pathlib import Path

import numpy as np
import pytest

from dataset.features import (
    BYTES_LIMIT,
    NEVER,
    FeatureError,
    ItemFeatures,
    categories,
    counts,
    first_seen,
    popularity,
    year,
)
from dataset.query import DAY_SECONDS
from dataset.timelines import Log
from dataset.vocabulary import OOV, PADDING, Vocabulary
from tests.dataset.logs import random_log

DAY0 = 19_000 * DAY_SECONDS
"""A midnight."""


def log(*rows: tuple[int, int]) -> Log:
    """From (item, second after DAY0)."""
    item = np.array([item for item, _ in rows], np.int32)
    time = DAY0 + np.array([second for _, second in rows], np.int64)
    return Log(np.zeros(len(rows), np.int32), item, item.astype(np.int64), time)


# Day 0: item 2 twice, item 3 once, an unknown item once; day 1: item 3 once, at its first second; day 3: item 4 once.
HAND = log((2, 10), (2, 20), (OOV, 25), (3, 30), (3, DAY_SECONDS), (4, 3 * DAY_SECONDS + 5))


def values(*shares: float) -> list[float]:
    return [log1p(1000 * share) for share in shares]


def test_popularity_is_the_share_of_what_was_taken_in_the_window_before_the_snapshot() -> None:
    found = popularity(HAND, 5, windows_days=[1, 2], snapshot_days=1)
    assert found.snapshot_times.tolist() == [DAY0 + day * DAY_SECONDS for day in range(4)]
    assert found.values.dtype == np.float32
    assert found.values.shape == (4, 5, 2)
    one_day = [values(0, 0, 0, 0, 0), values(0, 0, 2 / 3, 1 / 3, 0), values(0, 0, 0, 1, 0), values(0, 0, 0, 0, 0)]
    # The window of two days that ends at day 2 has days 0 and 1, the one that ends at day 3 has days 1 and 2.
    two_days = [one_day[0], one_day[1], values(0, 0, 1 / 2, 1 / 2, 0), values(0, 0, 0, 1, 0)]
    np.testing.assert_allclose(found.values[:, :, 0], one_day, rtol=1e-6)
    np.testing.assert_allclose(found.values[:, :, 1], two_days, rtol=1e-6)


def test_a_share_does_not_depend_on_how_much_is_sold() -> None:
    rows = list(zip(HAND.item.tolist(), (HAND.time - DAY0).tolist(), strict=True))
    tenfold = log(*(row for row in rows for _ in range(10)))
    once = popularity(HAND, 5, windows_days=[1, 30], snapshot_days=1)
    often = popularity(tenfold, 5, windows_days=[1, 30], snapshot_days=1)
    np.testing.assert_allclose(once.values, often.values, rtol=1e-6)


def test_an_interaction_at_the_snapshot_itself_is_not_in_it() -> None:
    found = popularity(HAND, 5, windows_days=[30], snapshot_days=1).values[:, 3, 0]
    assert found[1] == pytest.approx(log1p(1000 / 3))
    assert found[2] == pytest.approx(log1p(1000 / 2))


def test_all_time_is_a_window_longer_than_the_log() -> None:
    found = popularity(HAND, 5, windows_days=[36_500], snapshot_days=1).values[:, :, 0]
    np.testing.assert_allclose(found[3], values(0, 0, 2 / 4, 2 / 4, 0), rtol=1e-6)


def test_snapshots_stand_at_whole_multiples_and_the_first_is_empty() -> None:
    found = popularity(log((2, 9 * DAY_SECONDS + 1), (3, 20 * DAY_SECONDS)), 5, windows_days=[7], snapshot_days=7)
    assert (found.snapshot_times % (7 * DAY_SECONDS) == 0).all()
    assert found.snapshot_times[0] <= DAY0 + 9 * DAY_SECONDS + 1 < found.snapshot_times[1]
    assert not found.values[0].any()


def test_a_query_reads_the_latest_snapshot_at_or_before_it() -> None:
    found = popularity(HAND, 5, windows_days=[1], snapshot_days=1)
    moments = [-1, 0, DAY_SECONDS - 1, DAY_SECONDS, DAY_SECONDS + 1, 3 * DAY_SECONDS, 99 * DAY_SECONDS]
    assert found.snapshot(DAY0 + np.array(moments)).tolist() == [0, 0, 0, 1, 1, 3, 3]


def test_every_snapshot_equals_counting_by_hand() -> None:
    seen = random_log(seed=5, users=4, items=8, rows=200, seconds=20 * DAY_SECONDS)
    found = popularity(seen, 8, windows_days=[1, 3, 100], snapshot_days=2)
    for row, moment in enumerate(found.snapshot_times):
        for column, days in enumerate([1, 3, 100]):
            inside = (seen.time < moment) & (seen.time >= moment - days * DAY_SECONDS) & (seen.item > OOV)
            count = np.bincount(seen.item[inside], minlength=8)
            np.testing.assert_allclose(
                found.values[row, :, column], np.log1p(1000 * count / max(count.sum(), 1)), rtol=1e-6
            )


@pytest.mark.parametrize(("windows", "step"), [([], 1), ([0], 1), ([7, -1], 1), ([7], 0)])
def test_lengths_that_are_not_positive_are_refused(windows: list[int], step: int) -> None:
    with pytest.raises(FeatureError, match="must be at least 1"):
        popularity(HAND, 5, windows_days=windows, snapshot_days=step)


def test_too_many_snapshots_are_refused_with_a_distance_that_is_enough() -> None:
    long = log((2, 0), (2, 10_000 * DAY_SECONDS))
    n_items = BYTES_LIMIT // (4 * 10_000)
    with pytest.raises(FeatureError, match=r"set featurize\.popularity_snapshot_days to at least 2"):
        popularity(long, n_items, windows_days=[7], snapshot_days=1)


def test_first_seen_is_the_first_time_and_never_for_the_others() -> None:
    day = DAY_SECONDS
    assert first_seen(HAND, 6).tolist() == [NEVER, NEVER, DAY0 + 10, DAY0 + 30, DAY0 + 3 * day + 5, NEVER]


def test_counts_leave_out_the_reserved_two() -> None:
    assert counts(HAND, 6).tolist() == [0, 0, 2, 2, 1, 0]


def test_categories_are_filled_up_with_padding() -> None:
    vocabulary = Vocabulary.of(["toys", "books"])
    found = categories([[], ["books", "toys"], ["toys"], ["garden"]], vocabulary)
    assert found.dtype == np.int32
    assert found.tolist() == [[PADDING, PADDING], [3, 2], [2, PADDING], [OOV, PADDING]]


@pytest.mark.parametrize("lists", [[], [[], []]])
def test_without_any_category_there_is_one_column_of_padding(lists: list[list[str]]) -> None:
    found = categories(lists, Vocabulary.of([]))
    assert found.shape == (len(lists), 1)
    assert not found.any()


def test_years_are_on_a_fixed_scale_and_zero_when_unknown() -> None:
    found = year(np.array([1995, 1900, 1850, 2000, np.nan]))
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([0.95, 0.01, 0.01, 1.0, 0.0])


def test_a_file_holds_the_same_features_and_the_same_bytes(tmp_path: Path) -> None:
    shares = popularity(HAND, 5, windows_days=[1, 2], snapshot_days=1)
    written = ItemFeatures(
        categories=categories([[], [], ["a"], ["b", "a"], []], Vocabulary.of(["a", "b"])),
        year=year(np.array([np.nan, np.nan, 1990, 2020, np.nan])),
        popularity=shares.values,
        snapshot_times=shares.snapshot_times,
        count_train=counts(HAND.before(DAY0 + DAY_SECONDS), 5),
        count_fit=counts(HAND, 5),
        first_seen=first_seen(HAND, 5),
        dense=np.arange(10, dtype=np.float32).reshape(5, 2),
    )
    for name in ("a.npz", "b.npz"):
        written.write(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = ItemFeatures.read(tmp_path / "a.npz")
    for name, value in vars(written).items():
        assert getattr(found, name).dtype == value.dtype
        assert np.array_equal(getattr(found, name), value), name
    assert found.snapshot(np.array([DAY0 + DAY_SECONDS])).tolist() == [1]
