"""Lists to learn from: the retrieval's own, answers among them."""

from dataclasses import replace

import numpy as np
import pytest

from highest import NOTHING
from models.fit import TooFewExamplesError
from models.shortlists import MOST, shortlists
from tests.models.rankable import ITEMS, RETRIEVAL, USERS, lists, queries

ASKED = queries()
NO_BIAS = np.ones(USERS, np.float32)


def test_queries_whose_item_is_not_on_their_list_are_left_out() -> None:
    found, (listed, _) = lists(), RETRIEVAL.ask(ASKED)
    there = (listed.items == ASKED.target[:, None]).any(axis=1)
    assert 0 < len(found) == there.sum() < USERS
    np.testing.assert_array_equal(found.time, ASKED.time[there])
    np.testing.assert_array_equal(found.items[np.arange(len(found)), found.taken], ASKED.target[there])
    np.testing.assert_array_equal(found.weight, np.where(ASKED.target[there] % 2 == 0, 5, 1))
    np.testing.assert_allclose(found.numbers, listed.numbers[there], rtol=1e-5, atol=1e-6)


def test_numbers_are_standardized_and_nobody_is_not_counted() -> None:
    found = shortlists(replace(RETRIEVAL, candidates=ITEMS + 3), ASKED, NO_BIAS)
    assert (found.items[:, -1] == NOTHING).all()
    mean, scale = found.scaling
    arrays = found.arrays()
    assert ((arrays["absent"] < 0) == (found.items == NOTHING)).all()
    inside = (arrays["numbers"][found.items != NOTHING] - mean) / scale
    varied = np.abs(inside.std(axis=0) - 1) < 0.1
    np.testing.assert_allclose(inside.mean(axis=0), 0, atol=0.05)
    # Tastes are all zero and the time of day hardly moves: what never changes is not blown up.
    assert varied.sum() >= 6
    assert (scale[~varied & (inside.std(axis=0) == 0)] == 1).all()


def test_weights_are_standardized_where_there_are_any() -> None:
    found = lists()
    weight = found.arrays()["weight"]
    assert found.weighted
    assert (weight.mean(), weight.std()) == pytest.approx((0, 1), abs=1e-5)
    far = replace(found, weight=np.r_[found.weight[:-1], np.float32(1e6)])
    assert far.arrays()["weight"].max() == MOST
    plain = replace(found, weight=np.ones(len(found), np.float32))
    assert not plain.weighted
    assert not plain.arrays()["weight"].any()


def test_the_embedded_history_fades() -> None:
    found = replace(lists()[:2], history=np.array([[5, 4, 3, 0, 0], [0, 0, 0, 0, 0]], np.int32), half_life=1.0)
    fade = found.arrays()["fade"]
    np.testing.assert_allclose(fade, np.array([[4, 2, 1, 0, 0], [0, 0, 0, 0, 0]]) / 7, rtol=1e-6)


def test_no_query_at_all_is_refused() -> None:
    with pytest.raises(TooFewExamplesError, match="must have a query whose item could be recommended"):
        shortlists(RETRIEVAL, ASKED[:0], NO_BIAS[:0])
