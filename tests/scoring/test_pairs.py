"""The numbers of a pair, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from scoring.blend import standardized
from scoring.forms import FormError
from scoring.pairs import Pairs
from tests.scoring.stages import ASKED, FACTS, ITEMS, OF_ITEMS, PAIRS, TASTES

CANDIDATES = np.array([[6, 7], [5, 6], [4, 6], [3, 4]])
SCORES = np.arange(4 * ITEMS, dtype=np.float32).reshape(4, ITEMS)
PART = standardized(-SCORES)


def numbers(pairs: Pairs = PAIRS) -> np.ndarray:
    return pairs.numbers(ASKED, pairs.history(ASKED), CANDIDATES, SCORES, [PART])


def test_there_are_as_many_as_it_says() -> None:
    # 3 of the retrieval, 1 part, 2 facts, 2 half-lives with 2 distances and 2 cosines each, 4 of the context.
    assert PAIRS.width(1) == 3 + 1 + 2 + 2 * 4 + 4
    assert numbers().shape == (4, 2, PAIRS.width(1))
    assert numbers().dtype == np.float32


def test_what_the_retrieval_says() -> None:
    score, behind, place, part = np.moveaxis(numbers()[..., :4], -1, 0)
    # A row is 0..7 and a constant: mean 3.5, variance (64 - 1) / 12.
    expected = (CANDIDATES - 3.5) / np.sqrt(63 / 12)
    np.testing.assert_allclose(score, expected, rtol=1e-5)
    np.testing.assert_allclose(behind, expected - expected[:, :1], rtol=1e-5)
    np.testing.assert_allclose(place, [[0, np.log(2) / np.log(3)]] * 4, rtol=1e-6)
    np.testing.assert_allclose(part, -expected, rtol=1e-5)


def test_facts_are_the_candidates_own() -> None:
    np.testing.assert_array_equal(numbers()[..., 4:6], FACTS[CANDIDATES])


def test_the_history_is_summed_up_with_its_half_life() -> None:
    # 2, 3, 4 with ages 2, 1, 0: weights 1/4, 1/2, 1 of 7/4.
    weights = np.array([1, 2, 4]) / 7
    distance = np.abs(weights @ FACTS[[2, 3, 4]] - FACTS[CANDIDATES[1]])
    np.testing.assert_allclose(numbers()[1, :, 6:8], distance, rtol=1e-5)
    # 5 has no category; 6 has the second one, as has 4, which has two and so counts sqrt(1/2).
    np.testing.assert_allclose(numbers()[1, :, 8], [0, 4 / 7 * np.sqrt(0.5)], rtol=1e-6)
    # Taste of 5 is (1, 0), of 6 (0, 1).
    np.testing.assert_allclose(numbers()[1, :, 9], (weights @ TASTES[[2, 3, 4]]), rtol=1e-6)
    # A longer half-life leaves the older ones more: 2^(-age / 4).
    slower = 0.5 ** (np.array([2, 1, 0]) / 4)
    np.testing.assert_allclose(numbers()[1, :, 13], slower / slower.sum() @ TASTES[[2, 3, 4]], rtol=1e-6)


def test_without_a_history_it_says_nothing() -> None:
    assert not numbers()[0, :, 6:14].any()
    assert numbers()[1, :, 6:14].any()


def test_the_context_is_the_querys_for_all_candidates() -> None:
    np.testing.assert_array_equal(numbers()[..., 14:], np.repeat(ASKED.context()[:, None], 2, axis=1))


def test_it_comes_back() -> None:
    again = Pairs.of(PAIRS.arrays(), PAIRS.settings())
    np.testing.assert_array_equal(numbers(again), numbers())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("facts", FACTS[:-1], "must be about the same items"),
        ("tastes", TASTES * np.nan, "tastes: must be finite"),
        ("categories", -OF_ITEMS, "categories: must be at least 0"),
        ("categories", OF_ITEMS.astype(np.float32), "categories: must have 2 dimensions and kind i"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: np.ndarray, says: str) -> None:
    with pytest.raises(FormError, match=says):
        Pairs.of(PAIRS.arrays() | {name: value}, PAIRS.settings())


def test_items_without_any_category_are_no_trouble() -> None:
    nothing = replace(PAIRS, categories=np.zeros((ITEMS, 1), np.int32))
    assert np.isfinite(numbers(nothing)).all()
    assert not numbers(nothing)[..., 8].any()
