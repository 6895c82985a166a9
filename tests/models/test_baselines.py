from math import sqrt

import numpy as np
import pytest

from dataset.query import Queries, Timelines
from models.baselines.item_knn import ItemKNN
from models.baselines.popularity import Popularity

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
    popularity = Popularity.fit(LINES, 6, freeze=freeze, window_seconds=window)
    assert popularity.scores(asked(0, 0)).tolist() == [counts]


def test_similarities_by_hand() -> None:
    # Takers of 2: users 0 1 2; of 3: 0 1 3; of 4: 1 2, once each however often they took it; of 5: 3.
    similarity = ItemKNN.fit(LINES, 6, freeze=3, neighbours=6, shrink=1.0).similarity.toarray()
    expected = np.zeros((6, 6))
    for one, other, together, takers in ((2, 3, 2, 9), (2, 4, 2, 6), (3, 4, 1, 6), (3, 5, 1, 3)):
        expected[one, other] = expected[other, one] = together / (sqrt(takers) + 1.0)
    np.testing.assert_allclose(similarity, expected, rtol=1e-6)


def test_similarities_are_of_what_lies_before_the_freeze() -> None:
    similarity = ItemKNN.fit(LINES, 6, freeze=2, neighbours=6, shrink=0.0).similarity.toarray()
    # Without the last second only user 2 took 4, after 2.
    assert similarity[4].tolist() == pytest.approx([0, 0, 1 / sqrt(3), 0, 0, 0])


def test_each_candidate_keeps_its_strongest_neighbours() -> None:
    similarity = ItemKNN.fit(LINES, 6, freeze=3, neighbours=1, shrink=0.0).similarity.toarray()
    # 2 is nearest to 4 (2 / sqrt 6), 3 to 2 (2 / 3), 4 to 2, 5 to 3.
    assert [np.flatnonzero(similarity[:, item]).tolist() for item in range(6)] == [[], [], [4], [2], [2], [3]]


def test_an_item_counts_once_in_a_history() -> None:
    knn = ItemKNN.fit(LINES, 6, freeze=3, neighbours=6, shrink=0.0)
    once, twice = knn.scores(asked(2, 2)), knn.scores(asked(2, 3))
    assert once.tolist() == twice.tolist()
    third, half = 2 / 3, 1 / sqrt(6)
    assert once[0].tolist() == pytest.approx([0, 0, 2 * half, third + half, 2 * half, 0])


def test_an_empty_history_has_no_neighbours() -> None:
    assert ItemKNN.fit(LINES, 6, freeze=3, neighbours=6, shrink=0.0).scores(asked(0, 0)).tolist() == [[0] * 6]
