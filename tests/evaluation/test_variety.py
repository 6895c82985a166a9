from itertools import combinations
from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.query import Ints
from evaluation import variety

CATALOGUE = np.array([False, True, True, True, True])


def test_coverage_counts_each_listed_item_once() -> None:
    lists = np.array([[1, 2, 3], [1, 3, -1], [-1, -1, -1]], np.int32)
    assert [variety.coverage(lists, CATALOGUE, k) for k in (1, 2, 3)] == [0.25, 0.75, 0.75]
    assert variety.coverage(np.full((2, 3), -1), CATALOGUE, 3) == 0
    assert variety.coverage(np.full((0, 3), -1), CATALOGUE, 3) == 0


def test_gini_by_hand() -> None:
    # Shown 4, 0, 0, 0 times: (4 - 1) / 4. Shown 1, 1, 2, 0: (-3 * 0 - 1 + 1 + 3 * 2) / (4 * 4).
    assert variety.gini(np.array([[1], [1], [1], [1]], np.int32), CATALOGUE, 1) == pytest.approx(0.75)
    assert variety.gini(np.array([[1, 3], [2, 3], [-1, -1]], np.int32), CATALOGUE, 2) == pytest.approx(6 / 16)
    assert variety.gini(np.array([[1, 2], [3, 4]], np.int32), CATALOGUE, 2) == pytest.approx(0)
    assert isnan(variety.gini(np.full((2, 3), -1), CATALOGUE, 3))


def test_personalization_by_hand() -> None:
    lists = np.array([[1, 2, 3, 4], [1, 2, 5, 6], [7, 8, 9, 10]], np.int32)
    # Overlaps 2/4, 0 and 0.
    assert variety.personalization(lists, np.arange(3), 4) == pytest.approx(1 - 0.5 / 3)
    assert variety.personalization(lists, np.arange(3), 1) == pytest.approx(1 - 1 / 3)
    # One user's two lists are no pair: the first two with the third.
    assert variety.personalization(lists, np.array([5, 5, 9]), 4) == pytest.approx(1)
    # Unequal lengths: 2 common items of 4 and 2.
    shorter = np.array([[1, 2, 3, 4], [2, 1, -1, -1], [-1, -1, -1, -1]], np.int32)
    assert variety.personalization(shorter, np.arange(3), 4) == pytest.approx(1 - 2 / sqrt(8))


def test_personalization_needs_two_users_with_lists() -> None:
    lists = np.array([[1, 2], [3, 4], [-1, -1]], np.int32)
    assert isnan(variety.personalization(lists, np.zeros(3, np.int32), 2))
    assert isnan(variety.personalization(lists[:0], np.zeros(0, np.int32), 2))
    assert isnan(variety.personalization(lists[1:], np.arange(2), 2))


def test_the_same_list_for_all_is_not_personal_and_covers_little() -> None:
    same = np.tile(np.arange(1, 4, dtype=np.int32), (1000, 1))
    found = variety.measures(same, np.arange(1000) // 3, CATALOGUE, [1, 3])
    assert found == {
        "coverage_at_1": 0.25,
        "gini_at_1": pytest.approx(0.75),
        "personalization_at_1": 0,
        "coverage_at_3": 0.75,
        "gini_at_3": pytest.approx(0.25),
        "personalization_at_3": pytest.approx(0, abs=1e-12),
    }


def pairwise(lists: Ints, users: list[int], k: int) -> float:
    """The definition, pair by pair."""
    sets = [(user, {item for item in row[:k].tolist() if item >= 0}) for user, row in zip(users, lists, strict=True)]
    found = [
        len(a & b) / sqrt(len(a) * len(b)) for (one, a), (other, b) in combinations(sets, 2) if one != other and a and b
    ]
    return 1 - float(np.mean(found)) if found else float("nan")


@given(seed=st.integers(0, 500), users=st.integers(1, 6), k=st.integers(1, 5))
def test_personalization_agrees_with_its_definition(seed: int, users: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    lists = np.array([generator.permutation(9)[:5] for _ in range(8)], np.int32)
    lists[np.arange(5) >= generator.integers(0, 6, 8)[:, None]] = -1
    who = generator.integers(0, users, 8)
    found = variety.personalization(lists, who, k)
    assert found == pytest.approx(pairwise(lists, who.tolist(), k), nan_ok=True, abs=1e-9)
    order = generator.permutation(8)
    assert variety.personalization(lists[order], who[order] + 50, k) == pytest.approx(found, nan_ok=True, abs=1e-9)


@given(seed=st.integers(0, 500), k=st.integers(1, 5))
def test_gini_lies_between_even_and_all_for_one(seed: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    lists = np.array([generator.permutation(np.arange(1, 7))[:5] for _ in range(6)], np.int32)
    catalogue = np.arange(7) > 0
    found = variety.gini(lists, catalogue, k)
    assert -1e-12 <= found <= 1 - 1 / 6 + 1e-12
    shown = [int((lists[:, :k] == item).sum()) for item in range(1, 7)]
    # The mean absolute difference of all pairs, over twice the mean.
    expected = np.abs(np.subtract.outer(shown, shown)).mean() / (2 * np.mean(shown))
    assert found == pytest.approx(expected)
