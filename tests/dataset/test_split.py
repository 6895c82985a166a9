import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.split import Cuts, SplitError, cut, part


def test_ten_interactions_are_cut_eight_one_one() -> None:
    times = np.arange(100, 110, dtype=np.int64)
    cuts = cut(times, validation_share=0.1, test_share=0.1)
    assert cuts == Cuts(validation_start=108, test_start=109)
    assert part(times, cuts) == {"train": slice(0, 8), "validation": slice(8, 9), "test": slice(9, 10)}


def test_interactions_of_one_second_go_to_the_later_part() -> None:
    # The cuts at rows 6 and 8 fall into the ties of 5 and of 7, so the whole tie moves.
    times = np.array([1, 2, 3, 4, 5, 5, 5, 7, 7, 9], np.int64)
    cuts = cut(times, validation_share=0.2, test_share=0.2)
    assert cuts == Cuts(validation_start=5, test_start=7)
    assert part(times, cuts) == {"train": slice(0, 4), "validation": slice(4, 7), "test": slice(7, 10)}


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
        parts = part(times, cut(times, validation_share=validation, test_share=test))
    except SplitError:
        return
    train, middle, last = (times[parts[name]] for name in ("train", "validation", "test"))
    assert np.array_equal(np.concatenate([train, middle, last]), times)
    assert train.max() < middle.min()
    assert middle.max() < last.min()
