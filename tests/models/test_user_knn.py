"""Similarities to four users and their votes, by hand."""

from math import sqrt

import numpy as np
import pytest

from dataset.query import Queries, Timelines
from models.baselines import user_knn
from scoring import user_neighbours
from scoring.user_neighbours import UserNeighbours

# Users have taken: 2 3 4 / 2 3 / 4 5 5 / nothing / 6. The query's own timeline, the last, is not among the known.
KNOWN = Timelines(
    np.array([0, 3, 5, 8, 8, 9], np.int64),
    np.array([2, 3, 4, 2, 3, 4, 5, 5, 6], np.int32),
    np.arange(9, dtype=np.int64),
)
ASKED = Timelines(np.array([0, 3], np.int64), np.array([4, 2, 3], np.int32), np.arange(3, dtype=np.int64))


def asked(end: int) -> Queries:
    return Queries(ASKED, np.zeros(1, np.int32), np.array([end]), np.array([9]), np.array([2], np.int32))


def fitted(*, neighbours: int = 9, shrink: float = 0.0, half_life: float = np.inf) -> UserNeighbours:
    return user_knn.fit(KNOWN, 7, neighbours=neighbours, shrink=shrink, half_life=half_life, longest=10)


def scores(form: UserNeighbours, end: int = 3) -> list[float]:
    return [float(score) for score in form.scores(asked(end))[0]]


def test_everybody_votes_by_what_they_share() -> None:
    # The query has all of user 0's, two of two of user 1's and one of two of user 2's; nothing of user 4's.
    first, second, third = 3 / 3, 2 / sqrt(6), 1 / sqrt(6)
    assert scores(fitted()) == pytest.approx([0, 0, first + second, first + second, first + third, third, 0], rel=1e-6)


def test_users_of_whom_nothing_is_known_are_left_out() -> None:
    assert fitted().taken.toarray().tolist() == [
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
    ]


def test_the_nearest_vote_alone() -> None:
    assert scores(fitted(neighbours=1)) == pytest.approx([0, 0, 1, 1, 1, 0, 0])
    # With 4 alone taken, user 2 (1 / sqrt 2) is nearer than user 0 (1 / sqrt 3).
    assert scores(fitted(neighbours=1), end=1) == pytest.approx([0, 0, 0, 0, 1 / sqrt(2), 1 / sqrt(2), 0])


def test_those_as_near_as_the_last_one_vote_too() -> None:
    twins = Timelines(np.array([0, 1, 2], np.int64), np.array([4, 4], np.int32), np.arange(2, dtype=np.int64))
    form = user_knn.fit(twins, 7, neighbours=1, shrink=0.0, half_life=np.inf, longest=10)
    assert scores(form, end=1) == [0, 0, 0, 0, 2, 0, 0]


def test_a_history_of_nothing_has_no_neighbours() -> None:
    assert scores(fitted(), end=0) == [0] * 7


def test_shrinkage_and_fading_by_hand() -> None:
    form = fitted(shrink=2.0, half_life=1.0)
    # 3 was taken last (weight 1), then 2 (.5) and 4 (.25).
    length = sqrt(1 + 0.25 + 0.0625)
    first, second, third = (shared / (length * sqrt(taken) + 2) for shared, taken in ((1.75, 3), (1.5, 2), (0.25, 2)))
    assert scores(form) == pytest.approx([0, 0, first + second, first + second, first + third, third, 0], rel=1e-6)


def test_few_rows_at_a_time_score_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = Queries(ASKED, np.zeros(4, np.int32), np.arange(4), np.full(4, 9), np.full(4, 2, np.int32))
    form = fitted(neighbours=2, half_life=2.0)
    whole = form.scores(queries)
    monkeypatch.setattr(user_neighbours, "CELLS", 1)
    np.testing.assert_array_equal(form.scores(queries), whole)
    assert whole.any(axis=1).tolist() == [False, True, True, True]
