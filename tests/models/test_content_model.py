"""Profiles by hand, and items that nobody has taken."""

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest

from dataset.features import ItemFeatures
from dataset.query import Queries, Timelines
from dataset.vocabulary import OOV, PADDING
from models.baselines import content
from models.baselines.content import NoContentError
from scoring.pooled import Pooled
from tests.models import worlds

ITEMS = 7
COMEDY, DRAMA, WAR = 2, 3, 4
KNOWN = np.array([False, False, True, True, True, True, False])
"""Nobody has taken the last item."""
FEATURES = ItemFeatures(
    categories=np.array(
        [
            [PADDING, PADDING],
            [PADDING, PADDING],
            [COMEDY, PADDING],
            [COMEDY, DRAMA],
            [DRAMA, PADDING],
            [PADDING, PADDING],
            [WAR, DRAMA],
        ],
        np.int32,
    ),
    year=np.array([0, 0, 0.9, 0.925, 0.99, 0, 0.9], np.float32),
    popularity=np.zeros((1, ITEMS, 1), np.float32),
    snapshot_times=np.zeros(1, np.int64),
    count_train=np.zeros(ITEMS, np.int64),
    count_fit=np.zeros(ITEMS, np.int64),
    first_seen=np.zeros(ITEMS, np.int64),
    dense=np.zeros((ITEMS, 0), np.float32),
)
LINES = Timelines(np.array([0, 2], np.int64), np.array([2, 4], np.int32), np.arange(2, dtype=np.int64))


def fitted(
    features: ItemFeatures = FEATURES, *, year: float = 0.0, dense: float = 0.0, half_life: float = 1.0
) -> Pooled:
    return content.fit(
        features, KNOWN, year_weight=year, year_span=10.0, dense_weight=dense, half_life=half_life, longest=10
    )


def scores(form: Pooled, end: int) -> np.ndarray:
    asked = Queries(LINES, np.zeros(1, np.int32), np.array([end]), np.array([9]), np.array([OOV], np.int32))
    return np.asarray(form.scores(asked)[0])


def test_categories_by_hand() -> None:
    """Of the four known items two are comedies and two dramas; none is about war."""
    often, never = log((1 + 4) / (1 + 2)) + 1, log((1 + 4) / (1 + 0)) + 1
    war = np.array([often, never]) / np.hypot(often, never)
    expected = [0, 0, 1, sqrt(0.5), 0, 0, 0]
    np.testing.assert_allclose(scores(fitted(), 1), expected, atol=1e-6)
    # Drama was taken last and counts twice as much as comedy.
    mean = np.array([1, 2]) / 3
    expected = [0, 0, mean[0], mean.sum() * sqrt(0.5), mean[1], 0, mean[1] * war[0]]
    np.testing.assert_allclose(scores(fitted(), 2), expected, atol=1e-6)


def test_rare_categories_weigh_by_what_is_known_alone() -> None:
    everything = content.fit(
        FEATURES,
        np.ones(ITEMS, bool),
        year_weight=0.0,
        year_span=1.0,
        dense_weight=0.0,
        half_life=np.inf,
        longest=10,
    )
    assert not np.allclose(scores(everything, 2), scores(fitted(half_life=np.inf), 2))


def test_years_that_are_close_are_alike() -> None:
    blind = replace(FEATURES, categories=np.zeros_like(FEATURES.categories))
    # 1992.5 lies a quarter of the way from the mark of 1990 to that of 2000, 1999 nine tenths.
    quarter = np.array([0.75, 0.25]) / np.hypot(0.75, 0.25)
    late = np.array([0.1, 0.9]) / np.hypot(0.1, 0.9)
    found = scores(fitted(blind, year=1.0), 1)
    np.testing.assert_allclose(found, [0, 0, 1, quarter[0], late[0], 0, 1], atol=1e-6)


def test_text_and_numbers_are_one_more_block() -> None:
    dense = np.array([[0, 0], [0, 0], [3, 4], [4, -3], [3, 4], [3, 4], [3, 4]], np.float32)
    found = scores(fitted(replace(FEATURES, dense=dense), dense=2.0), 1)
    # Of the squared length 5, categories have 1 and the dense block 4; the item without categories has it alone.
    np.testing.assert_allclose(found, [0, 0, 1, sqrt(0.5) / 5, 4 / 5, 2 / sqrt(5), 4 / 5], atol=1e-6)


def test_what_nobody_has_taken_is_found() -> None:
    """In the checkerboard, users of one colour take items of that colour; items that are new have one as well."""
    board = worlds.checkerboard()
    form = content.fit(
        board.features,
        np.arange(worlds.NUM_ITEMS) < worlds.NUM_ITEMS - 2,
        year_weight=1.0,
        year_span=5.0,
        dense_weight=1.0,
        half_life=np.inf,
        longest=50,
    )
    even, odd = form.scores(board.test)[:, -2:].T
    assert (np.where(np.arange(board.num_users) % 2, odd - even, even - odd) > 0.5).all()


def test_items_of_which_nothing_is_known_are_refused() -> None:
    blind = replace(FEATURES, categories=np.zeros_like(FEATURES.categories), year=np.zeros(ITEMS, np.float32))
    with pytest.raises(NoContentError, match=r"prepare\.columns"):
        fitted(blind, year=1.0, dense=1.0)
