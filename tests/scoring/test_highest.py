import numpy as np
import pytest

from scoring.highest import LOWEST, NOTHING, highest

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
