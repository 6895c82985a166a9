import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.split import PARTS, Cuts, SplitError, by_time, cut, ends_of_parts, leave_one_out


def test_ten_interactions_are_cut_eight_one_one() -> None:
    times = np.arange(100, 110, dtype=np.int64)
    cuts = cut(times, validation_share=0.1, test_share=0.1)
    assert cuts == Cuts(validation_start=108, test_start=109)
    assert by_time(times, cuts).tolist() == [0] * 8 + [1, 2]


def test_interactions_of_one_second_go_to_the_later_part() -> None:
    # The cuts at rows 6 and 8 fall into the ties of 5 and of 7, so the whole tie moves.
    times = np.array([1, 2, 3, 4, 5, 5, 5, 7, 7, 9], np.int64)
    cuts = cut(times, validation_share=0.2, test_share=0.2)
    assert cuts == Cuts(validation_start=5, test_start=7)
    assert by_time(times, cuts).tolist() == [0] * 4 + [1] * 3 + [2] * 3


def test_a_hair_of_floating_point_moves_no_row() -> None:
    # 1 - 0.1 - 0.2 is 0.7000000000000001 and 1 - 0.7 - 0.1 is 0.20000000000000007: rounded, not cut off.
    times = np.arange(1000, dtype=np.int64)
    assert cut(times, validation_share=0.1, test_share=0.2) == Cuts(700, 800)
    assert cut(times, validation_share=0.1, test_share=0.1) == Cuts(800, 900)
    assert cut(times, validation_share=0.7, test_share=0.1) == Cuts(200, 900)


@pytest.mark.parametrize(("validation", "test"), [(0, 0.1), (0.1, 0), (-0.1, 0.1), (0.5, 0.5), (0.9, 0.2)])
def test_shares_that_leave_nothing_are_refused(validation: float, test: float) -> None:
    with pytest.raises(SplitError, match=rf"above 0 and together below 1\. Received: {validation} and {test}"):
        cut(np.arange(10, dtype=np.int64), validation_share=validation, test_share=test)


def test_no_interactions_are_refused() -> None:
    with pytest.raises(SplitError, match="no interactions"):
        cut(np.zeros(0, np.int64), validation_share=0.1, test_share=0.1)


@pytest.mark.parametrize("times", [[5] * 10, [1] + [5] * 9, [5] * 9 + [6]])
def test_too_few_distinct_times_are_refused(times: list[int]) -> None:
    with pytest.raises(SplitError, match=r"10 interactions at \d distinct times cannot be cut into three parts"):
        cut(np.array(times, np.int64), validation_share=0.1, test_share=0.1)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=80), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_parts_are_complete_not_empty_and_strictly_one_after_the_other(
    seconds: list[int], validation: float, test: float
) -> None:
    times = np.sort(np.array(seconds, np.int64))
    try:
        parts = by_time(times, cut(times, validation_share=validation, test_share=test))
    except SplitError:
        return
    train, middle, last = (times[parts == code] for code in range(len(PARTS)))
    assert np.array_equal(np.concatenate([train, middle, last]), times)
    assert train.max() < middle.min()
    assert middle.max() < last.min()


def codes(text: str) -> tuple[np.ndarray, np.ndarray]:
    """From `aX bY`: a user and an item each, in the order of the log."""
    users, items = zip(*text.split(), strict=True)
    return np.array([ord(user) for user in users]), np.array([ord(item) for item in items])


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("aP aQ aR", "TVE"),
        ("aP bP aQ bQ aR bR bS", "TTVTEVE"),
        ("aP aQ aR bP bQ", "TVETT"),  # two items are too few to be asked
        ("aP aQ aR bP bQ bP", "TVETTT"),  # as are two and a repetition
        ("aP aQ aR aP", "TVEE"),  # what comes after the test is known to nobody
        ("aP aQ aQ aR", "TVVE"),
        ("aP aP aQ aR", "TTVE"),
        ("aP aQ aR aS aP aQ", "TTVEEE"),
        ("bR aP bQ aQ bP aR", "TTVVEE"),
    ],
)
def test_the_last_item_of_each_user_is_the_test_and_the_one_before_it_the_validation(log: str, expected: str) -> None:
    assert ["TVE"[code] for code in leave_one_out(*codes(log))] == list(expected)


def test_the_order_of_the_log_breaks_ties() -> None:
    """It is told no times, so those of one second stay as they stand."""
    assert leave_one_out(*codes("aP aR aQ")).tolist() == [0, 1, 2]
    assert leave_one_out(*codes("aP aQ aR")).tolist() == [0, 1, 2]


@pytest.mark.parametrize("log", ["aP aQ", "aP bP cP", "aP aP aP aP"])
def test_a_log_of_which_nobody_can_be_asked_is_refused(log: str) -> None:
    with pytest.raises(SplitError, match=r"a user with at least 3 different items\. Received"):
        leave_one_out(*codes(log))


def test_what_is_known_ends_after_the_last_interaction_of_anybody() -> None:
    # b's training goes on long after a's test.
    parts = leave_one_out(*codes("aP aQ aR bP bQ bR bS"))
    times = np.array([10, 20, 30, 40, 50, 60, 70])
    assert parts.tolist() == [0, 1, 2, 0, 0, 1, 2]
    assert ends_of_parts(times, parts) == Cuts(validation_start=51, test_start=61)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=60))
def test_leave_one_out_is_what_a_loop_over_users_finds(log: list[tuple[int, int]]) -> None:
    user, item = np.array(log).T
    expected = np.zeros(len(log), np.int64)
    for who in set(user.tolist()):
        rows = np.flatnonzero(user == who)
        first = [row for place, row in enumerate(rows) if item[row] not in item[rows[:place]]]
        if len(first) >= 3:
            expected[[row for row in rows if row >= first[-2]]] = 1
            expected[[row for row in rows if row >= first[-1]]] = 2
    if (expected == 2).any():
        assert leave_one_out(user, item).tolist() == expected.tolist()
    else:
        with pytest.raises(SplitError):
            leave_one_out(user, item)
