from math import sqrt

import numpy as np
import pytest

from dataset.query import Queries, Timelines
from models.baselines import ease, item_knn, popularity
from scoring.neighbours import Neighbours

# Users take, a second apart: 2 3 / 2 3 4 / 2 4 4 / 3 5. The last second, 2, holds the 4 of users 1 and 2 again.
LINES = Timelines(
    starts=np.array([0, 2, 5, 8, 10], np.int64),
    items=np.array([2, 3, 2, 3, 4, 2, 4, 4, 3, 5], np.int32),
    times=np.array([0, 1, 0, 1, 2, 0, 1, 2, 0, 1], np.int64),
)


def asked(user: int, end: int) -> Queries:
    return Queries(LINES, np.array([user], np.int32), np.array([end]), np.array([9]), np.array([2], np.int32))


@pytest.mark.parametrize(
    ("freeze", "window", "counts"),
    [
        (3, None, [0, 0, 3, 3, 3, 1]),
        (2, None, [0, 0, 3, 3, 1, 1]),
        (3, 2, [0, 0, 0, 2, 3, 1]),
        (2, 1, [0, 0, 0, 2, 1, 1]),
        (0, None, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_popularity_counts_the_window_before_the_freeze(freeze: int, window: int | None, counts: list[int]) -> None:
    popular = popularity.fit(LINES, 6, freeze=freeze, window_seconds=window)
    assert popular.scores(asked(0, 0)).tolist() == [counts]


def knn(neighbours: int, shrink: float, half_life: float = np.inf, known: Timelines = LINES) -> Neighbours:
    return item_knn.fit(known, 6, neighbours=neighbours, shrink=shrink, half_life=half_life, longest=10)


def similarities(form: Neighbours) -> np.ndarray:
    assert not isinstance(form.weights, np.ndarray)
    return np.asarray(form.weights.toarray())


def test_similarities_by_hand() -> None:
    # Takers of 2: users 0 1 2; of 3: 0 1 3; of 4: 1 2, once each however often they took it; of 5: 3.
    similarity = similarities(knn(6, 1.0))
    expected = np.zeros((6, 6))
    for one, other, together, takers in ((2, 3, 2, 9), (2, 4, 2, 6), (3, 4, 1, 6), (3, 5, 1, 3)):
        expected[one, other] = expected[other, one] = together / (sqrt(takers) + 1.0)
    np.testing.assert_allclose(similarity, expected, rtol=1e-6)


def test_similarities_are_of_what_is_known() -> None:
    similarity = similarities(knn(6, 0.0, known=LINES.before(2)))
    # Without the last second only user 2 took 4, after 2.
    assert similarity[4].tolist() == pytest.approx([0, 0, 1 / sqrt(3), 0, 0, 0])


def test_each_candidate_keeps_its_strongest_neighbours() -> None:
    similarity = similarities(knn(1, 0.0))
    # 2 is nearest to 4 (2 / sqrt 6), 3 to 2 (2 / 3), 4 to 2, 5 to 3.
    assert [np.flatnonzero(similarity[:, item]).tolist() for item in range(6)] == [[], [], [4], [2], [2], [3]]


def test_an_item_counts_once_in_a_history() -> None:
    fitted = knn(6, 0.0)
    once, twice = fitted.scores(asked(2, 2)), fitted.scores(asked(2, 3))
    assert once.tolist() == twice.tolist()
    third, half = 2 / 3, 1 / sqrt(6)
    assert once[0].tolist() == pytest.approx([0, 0, 2 * half, third + half, 2 * half, 0])


def test_an_empty_history_has_no_neighbours() -> None:
    assert knn(6, 0.0).scores(asked(0, 0)).tolist() == [[0] * 6]


def fitted_ease(*, l2: float = 1.0, half_life: float = np.inf, trend: float = 0.0) -> Neighbours:
    return ease.fit(LINES, 6, freeze=3, l2=l2, half_life=half_life, longest=10, trend=trend, trend_seconds=2)


def test_ease_is_the_constrained_least_squares_solution() -> None:
    """Column by column: ridge regression of who took an item on who took the others, which is what EASE minimizes."""
    taken = np.array([[0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1, 0], [0, 0, 1, 0, 1, 0], [0, 0, 0, 1, 0, 1]], float)
    weights = fitted_ease(l2=0.7).weights
    for item in range(6):
        others = [other for other in range(6) if other != item]
        x = taken[:, others]
        expected = np.linalg.solve(x.T @ x + 0.7 * np.eye(5), x.T @ taken[:, item])
        np.testing.assert_allclose(weights[others, item], expected, atol=1e-6)
        assert weights[item, item] == 0


def test_a_fading_history_weighs_the_newest_item_most() -> None:
    plain, fading = fitted_ease(), fitted_ease(half_life=1.0)
    # User 1 took 2, 3, 4: ages 2, 1, 0.
    expected = 0.25 * plain.weights[2] + 0.5 * plain.weights[3] + plain.weights[4]
    np.testing.assert_allclose(fading.scores(asked(1, 3))[0], expected, rtol=1e-6)


def test_the_trend_is_what_was_taken_lately() -> None:
    # In [1, 3): 3, 3, 4, 4, 4, 5.
    cold = fitted_ease(trend=2.0).scores(asked(0, 0))[0]
    expected = 2 * np.log1p(1000 * np.array([0, 0, 0, 2, 3, 1]) / 6)
    np.testing.assert_allclose(cold, expected, rtol=1e-6)
