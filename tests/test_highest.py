import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from highest import LOWEST, NOTHING, Floats, highest

SCORES = np.array([[1, 3, 3, 2, 3], [LOWEST, 0, LOWEST, -1, LOWEST]], np.float32)


@pytest.mark.parametrize(
    ("k", "items"),
    [
        (1, [[1], [1]]),
        (2, [[1, 2], [1, 3]]),
        (4, [[1, 2, 4, 3], [1, 3, NOTHING, NOTHING]]),
        (7, [[1, 2, 4, 3, 0, NOTHING, NOTHING], [1, 3, *[NOTHING] * 5]]),
    ],
)
def test_the_earlier_comes_first_among_equals_and_nothing_fills_up(k: int, items: list[list[int]]) -> None:
    found, scores = highest(SCORES, k, np.arange(5))
    assert found.tolist() == items
    expected = [[SCORES[row, item] if item != NOTHING else LOWEST for item in best] for row, best in enumerate(items)]
    assert scores.tolist() == expected


def test_columns_stand_for_items_of_their_own_in_each_row() -> None:
    names = np.array([[10, 20, 30, 40, 50], [5, 6, 7, 8, 9]])
    assert highest(SCORES, 2, names)[0].tolist() == [[20, 30], [6, 8]]


def test_of_no_columns_there_is_nothing() -> None:
    found, scores = highest(np.zeros((2, 0), np.float32), 3, np.arange(0))
    assert (found == NOTHING).all()
    assert np.isneginf(scores).all()


def listed(scores: Floats, k: int) -> list[list[int]]:
    found: list[list[int]] = highest(scores, k)[0].tolist()
    return found


def test_by_hand() -> None:
    infinite = -np.inf
    scores = np.array([[3, 1, 3, 2], [1, 1, 1, 1], [infinite, 5, infinite, 6], [infinite] * 4], np.float32)
    assert listed(scores, 2) == [[0, 2], [0, 1], [3, 1], [-1, -1]]
    assert listed(scores, 3) == [[0, 2, 3], [0, 1, 2], [3, 1, -1], [-1, -1, -1]]
    assert listed(scores, 6) == [
        [0, 2, 3, 1, -1, -1],
        [0, 1, 2, 3, -1, -1],
        [3, 1, -1, -1, -1, -1],
        [-1] * 6,
    ]


def sorted_row(row: Floats, k: int) -> list[int]:
    """What `highest` means, in one line of Python."""
    best = sorted((item for item in range(len(row)) if row[item] > -np.inf), key=lambda item: (-row[item], item))
    return (best + [-1] * k)[:k]


@pytest.mark.parametrize("levels", [1, 3, 1000, 10**6])
def test_a_long_row_is_a_plain_sort(levels: int) -> None:
    scores = np.random.default_rng(levels).integers(0, levels, (2, 5000)).astype(np.float32)
    scores[1] = np.sort(scores[1])
    assert listed(scores, 100) == [sorted_row(row, 100) for row in scores]
    assert listed(np.asfortranarray(scores), 7) == [sorted_row(row, 7) for row in scores]


few_values = st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 1.0, 3e38])
any_value = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    scores=arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=few_values | any_value),
    k=st.integers(1, 15),
)
def test_it_is_a_plain_sort(scores: npt.NDArray[np.float32], k: int) -> None:
    assert listed(scores, k) == [sorted_row(row, k) for row in scores]
