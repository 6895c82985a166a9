from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from evaluation import significance
from evaluation.significance import MOST, Bootstrap, Interval, Values

BOOTSTRAP = Bootstrap(samples=300, confidence=0.95, seed=5)


@dataclass(frozen=True)
class Study:
    """Per-query values of two models that share a user effect; both have mean 0.4 and 0.4 + gain."""

    users: npt.NDArray[np.int64]
    ours: Values
    theirs: Values


def study(seed: int, *, users: int = 60, gain: float = 0.0) -> Study:
    """Users with 1 to 15 queries each, whose values lie about the user's own level."""
    generator = np.random.default_rng(seed)
    who = np.repeat(np.arange(users), generator.integers(1, 16, users))
    level = generator.uniform(0.1, 0.7, users)[who]
    theirs = level + generator.normal(0, 0.05, len(who))
    ours = level + gain + generator.normal(0, 0.05, len(who))
    return Study(who, ours, theirs)


def share_covered(intervals: list[Interval], truth: float) -> float:
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


def test_a_mean_by_hand() -> None:
    interval = BOOTSTRAP.mean(np.array([1.0, 0.0, 0.5, 0.5]), np.array([7, 7, 7, 9]))
    assert interval.value == 0.5
    # Resamples of the two users: both 7, both 9, or one of each; their means are 1.5 / 3, 0.5 and 2 / 4.
    assert (interval.low, interval.high) == pytest.approx((0.5, 0.5))


def test_a_user_counts_by_the_number_of_their_queries() -> None:
    interval = BOOTSTRAP.mean(np.array([0.0, 1.0, 1.0, 1.0]), np.array([3, 8, 8, 8]))
    # Not the mean of the users' means, which is 0.5.
    assert interval == Interval(0.75, 0.0, 1.0)


def test_users_are_told_by_their_number_and_not_by_their_place() -> None:
    one = study(1)
    order = np.random.default_rng(0).permutation(len(one.users))
    left, right = BOOTSTRAP.mean(one.ours, one.users), BOOTSTRAP.mean(one.ours[order], one.users[order])
    assert (left.value, left.low, left.high) == pytest.approx((right.value, right.low, right.high))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    studies = [study(seed) for seed in range(300)]
    clustered = [BOOTSTRAP.mean(one.ours, one.users) for one in studies]
    assert 0.90 <= share_covered(clustered, 0.4) <= 0.985
    # The control: with queries taken for independent the same check finds an interval that is too narrow.
    naive = [BOOTSTRAP.mean(one.ours, np.arange(len(one.users))) for one in studies]
    assert share_covered(naive, 0.4) < 0.75


def test_a_higher_confidence_is_a_wider_interval() -> None:
    one = study(2)
    wide = Bootstrap(300, 0.99, 5).mean(one.ours, one.users)
    narrow = Bootstrap(300, 0.5, 5).mean(one.ours, one.users)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_a_paired_comparison_is_narrower_than_an_unpaired_one() -> None:
    one = study(3, gain=0.02)
    paired = BOOTSTRAP.difference(one.ours, one.theirs, one.users)
    ours, theirs = (BOOTSTRAP.mean(values, one.users) for values in (one.ours, one.theirs))
    unpaired = np.hypot(ours.high - ours.low, theirs.high - theirs.low)
    assert paired.value == pytest.approx(ours.value - theirs.value)
    assert paired.high - paired.low < 0.25 * unpaired
    # What the pairing is worth: the same gain is seen by one and not by the other.
    assert paired.low > 0
    assert ours.low < theirs.high


def test_a_relative_change_by_hand() -> None:
    users = np.array([0, 0, 1])
    interval = BOOTSTRAP.relative(np.array([0.3, 0.3, 0.3]), np.array([0.2, 0.2, 0.2]), users)
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))
    # A ratio of means, not a mean of ratios: (0.1 + 0.4) / (0.1 + 0.3) - 1.
    mixed = BOOTSTRAP.relative(np.array([0.1, 0.4]), np.array([0.1, 0.3]), np.array([0, 1]))
    assert (mixed.value, mixed.low, mixed.high) == pytest.approx((0.25, 0.0, 1 / 3))


def test_a_relative_change_of_nothing() -> None:
    users, nothing = np.array([0, 0, 1, 2]), np.zeros(4)
    something = np.array([0.0, 0.5, 0.5, 0.5])
    assert BOOTSTRAP.relative(nothing, nothing, users) == Interval(0.0, 0.0, 0.0)
    assert BOOTSTRAP.relative(something, nothing, users) == Interval(MOST, MOST, MOST)
    assert BOOTSTRAP.relative(nothing, something, users) == Interval(-1.0, -1.0, -1.0)


def test_resamples_without_anything_to_compare_stay_numbers() -> None:
    # Theirs is one user's alone: a resample without that user is 0/0 or x/0.
    interval = BOOTSTRAP.relative(np.array([0.5, 0.2, 0.0]), np.array([0.5, 0.0, 0.0]), np.array([0, 1, 2]))
    assert interval.value == pytest.approx(0.4)
    assert (interval.low, interval.high) == (0.0, MOST)


def test_one_user_shows_nothing() -> None:
    assert BOOTSTRAP.mean(np.array([0.25, 0.75]), np.array([3, 3])) == Interval(0.5, -np.inf, np.inf)


def test_it_is_the_bootstrap_that_scipy_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """scipy copies the drawn users, we count them; in one batch or several, the draws are the same."""
    one = study(5)
    totals, counts = np.bincount(one.users, one.ours), np.bincount(one.users).astype(np.float64)
    theirs = stats.bootstrap(
        (totals, counts),
        lambda total, count, axis: total.sum(axis) / count.sum(axis),
        paired=True,
        n_resamples=BOOTSTRAP.samples,
        confidence_level=BOOTSTRAP.confidence,
        method="percentile",
        rng=np.random.default_rng(BOOTSTRAP.seed),
    ).confidence_interval
    for batch in (10**6, 7 * 60, 1):
        monkeypatch.setattr(significance, "BATCH", batch)
        ours = BOOTSTRAP.mean(one.ours, one.users)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_columns_together_are_columns_one_by_one() -> None:
    one = study(6)
    together = BOOTSTRAP.means({"ours": one.ours, "theirs": one.theirs}, one.users)
    for name, values in (("ours", one.ours), ("theirs", one.theirs)):
        alone = BOOTSTRAP.mean(values, one.users)
        found = together[name]
        assert (found.value, found.low, found.high) == pytest.approx((alone.value, alone.low, alone.high), abs=1e-12)


def test_no_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one query"):
        BOOTSTRAP.mean(np.zeros(0), np.zeros(0, np.int64))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(bad: float) -> None:
    good, broken, users = np.array([0.5, 0.5]), np.array([0.5, bad]), np.array([0, 1])
    for ours, theirs in ((good, broken), (broken, good)):
        with pytest.raises(ValueError, match="finite values"):
            BOOTSTRAP.relative(ours, theirs, users)
    with pytest.raises(ValueError, match="finite values"):
        BOOTSTRAP.mean(broken, users)


def test_the_seed_decides_the_interval() -> None:
    one = study(4)
    assert BOOTSTRAP.mean(one.ours, one.users) == BOOTSTRAP.mean(one.ours, one.users)
    other = Bootstrap(300, 0.95, 6).mean(one.ours, one.users)
    assert other.value == BOOTSTRAP.mean(one.ours, one.users).value
    assert other != BOOTSTRAP.mean(one.ours, one.users)
