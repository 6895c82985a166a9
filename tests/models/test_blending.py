"""Weights are found where there are any to find."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from dataset.features import ItemFeatures
from dataset.query import Floats, Queries, Timelines
from dataset.world import Fold
from models import blending
from models.blending import Crossed
from scoring.blend import Blend, standardized

ITEMS, QUERIES = 30, 2000


@dataclass(frozen=True)
class Fixed:
    """Scores by the query's row, which is its user."""

    KIND: ClassVar[str] = "fixed"
    table: Floats

    def scores(self, queries: Queries) -> Floats:
        return self.table[queries.user]

    def arrays(self) -> dict[str, Any]:
        return {"table": self.table}

    def settings(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of(cls, arrays: Any, _settings: Any) -> "Fixed":
        return cls(arrays["table"])


def world(truth: Floats, strength: float, ends: np.ndarray) -> Fold:
    """A fold in which what is taken follows `truth`."""
    rng = np.random.default_rng(3)
    chance = np.exp(strength * truth)
    chance[:, :2] = 0
    chance /= chance.sum(axis=1, keepdims=True)
    target = np.array([rng.choice(ITEMS, p=row) for row in chance], np.int32)
    starts = np.concatenate([[0], np.cumsum(ends)]).astype(np.int64)
    # Histories of item 0 alone, which is no candidate: nothing is seen.
    lines = Timelines(starts, np.zeros(starts[-1], np.int32), np.zeros(starts[-1], np.int64))
    asked = Queries(lines, np.arange(QUERIES, dtype=np.int32), ends, np.full(QUERIES, 9), target)
    catalogue = np.arange(ITEMS) >= 2
    nothing = np.zeros(ITEMS, np.int64)
    features = ItemFeatures(
        categories=np.zeros((ITEMS, 1), np.int32),
        year=np.zeros(ITEMS, np.float32),
        popularity=np.zeros((1, ITEMS, 1), np.float32),
        snapshot_times=np.zeros(1, np.int64),
        count_train=nothing,
        count_fit=nothing,
        first_seen=nothing,
        dense=np.zeros((ITEMS, 0), np.float32),
    )
    return Fold("selection", lines, asked, asked, catalogue, np.ones(ITEMS, np.int64), 9, features)


def learned(parts: list[Fixed], fold: Fold, steps: list[int]) -> Floats:
    return blending.learn(parts, fold, steps=steps, l2=0.001, max_queries=QUERIES, seed=1).weights


def parts() -> tuple[Fixed, Fixed]:
    rng = np.random.default_rng(1)
    useful, noise = (rng.normal(size=(QUERIES, ITEMS)).astype(np.float32) for _ in range(2))
    return Fixed(useful), Fixed(noise)


def test_the_useful_part_gets_its_weight_and_noise_none() -> None:
    useful, noise = parts()
    fold = world(useful.table, 1.0, np.zeros(QUERIES, np.int64))
    (weights,) = learned([useful, noise], fold, [0])
    assert weights[0] == pytest.approx(1.0, abs=0.15)
    assert weights[1] < 0.1


def test_a_part_that_misleads_is_left_out() -> None:
    useful, noise = parts()
    fold = world(useful.table, 1.0, np.zeros(QUERIES, np.int64))
    (weights,) = learned([useful, Fixed(-useful.table + 0.5 * noise.table)], fold, [0])
    assert weights[1] == pytest.approx(0, abs=1e-6)


def test_short_histories_have_weights_of_their_own() -> None:
    one, other = parts()
    ends = np.where(np.arange(QUERIES) % 2 == 0, 0, 5).astype(np.int64)
    truth = np.where((ends == 0)[:, None], one.table, other.table)
    weights = learned([one, other], world(truth, 1.5, ends), [0, 3])
    assert weights[0, 0] > 5 * weights[0, 1]
    assert weights[1, 1] > 5 * weights[1, 0]


def test_too_few_queries_keep_the_weights_of_all() -> None:
    one, other = parts()
    ends = np.where(np.arange(QUERIES) < blending.FEWEST - 1, 0, 5).astype(np.int64)
    weights = learned([one, other], world(one.table, 1.0, ends), [0, 3, 100])
    everybody = learned([one, other], world(one.table, 1.0, ends), [0])
    np.testing.assert_array_equal(weights[0], everybody[0])
    np.testing.assert_array_equal(weights[2], everybody[0])


def test_the_best_part_of_each_length_answers_alone() -> None:
    """One part knows what newcomers take, the other what the others do."""
    useful, other = parts()
    ends = np.repeat([0, 5], QUERIES // 2)
    fold = world(np.where(ends[:, None] == 0, useful.table, other.table), 3.0, ends)
    for order, expected in (([useful, other], [[1, 0], [0, 1]]), ([other, useful], [[0, 1], [1, 0]])):
        assert blending.choose(order, fold, steps=[0, 3], max_queries=QUERIES, seed=1).weights.tolist() == expected


def test_a_length_that_hardly_anybody_has_is_answered_by_the_best_of_all() -> None:
    useful, noise = parts()
    ends = np.array([0] * (QUERIES - 10) + [5] * 10)
    truth = np.where(ends[:, None] == 0, useful.table, noise.table)
    made = blending.choose([noise, useful], world(truth, 3.0, ends), steps=[0, 3], max_queries=QUERIES, seed=1)
    assert made.weights.tolist() == [[0, 1], [0, 1]]


def test_half_of_the_users_are_answered_as_the_other_half_has_taught() -> None:
    """What the odd ones take follows one part, what the even ones take the other."""
    one, other = parts()
    odd = np.arange(QUERIES) % 2 == 1
    fold = world(np.where(odd[:, None], one.table, other.table), 3.0, np.zeros(QUERIES, np.int64))

    def learn(half: Fold) -> Blend:
        return blending.choose([one, other], half, steps=[0], max_queries=QUERIES, seed=1)

    crossed = Crossed.learned(learn, fold)
    assert (crossed.of_odd.weights.tolist(), crossed.of_even.weights.tolist()) == ([[1, 0]], [[0, 1]])
    expected = np.where(odd[:, None], standardized(other.table), standardized(one.table))
    np.testing.assert_array_equal(crossed.scores(fold.ask), expected)
    swapped = crossed.standing_upon([other, one])
    np.testing.assert_array_equal(swapped.scores(fold.ask)[odd], standardized(one.table)[odd])


def test_without_a_question_all_parts_weigh_alike_and_the_first_is_the_best() -> None:
    fold = world(parts()[0].table, 1.0, np.zeros(QUERIES, np.int64))
    nobody = replace(fold, ask=fold.ask[:0])
    assert learned(list(parts()), nobody, [0, 3]).tolist() == [[1, 1], [1, 1]]
    assert blending.choose(parts(), nobody, steps=[0, 3], max_queries=9, seed=1).weights.tolist() == [[1, 0], [1, 0]]


def test_who_tells_nothing_apart_is_never_the_best() -> None:
    """Ties go against a part."""
    useful, _ = parts()
    fold = world(useful.table, 1.0, np.zeros(QUERIES, np.int64))
    flat = Fixed(np.zeros_like(useful.table))
    assert blending.choose([flat, useful], fold, steps=[0], max_queries=QUERIES, seed=1).weights.tolist() == [[0, 1]]
