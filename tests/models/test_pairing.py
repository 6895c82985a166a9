"""Items as they are at the freeze, and not a moment later."""

import numpy as np
import pytest

from dataset.query import DAY_SECONDS
from models import pairing
from tests.models.worlds import CATALOGUE, NUM_ITEMS, checkerboard, cycle

WORLD = cycle()


def test_facts_by_hand() -> None:
    features, freeze = WORLD.features, WORLD.freeze
    found = pairing.facts(features, freeze)
    assert found.shape == (NUM_ITEMS, 4)
    # The snapshot of the freeze's midnight; windows are three days and all time.
    last = features.popularity[np.flatnonzero(features.snapshot_times <= freeze)[-1]]
    np.testing.assert_array_equal(found[:, 0], features.year)
    np.testing.assert_array_equal(found[:, 1], last[:, 1])
    np.testing.assert_array_equal(found[:, 2], last[:, 0] - last[:, 1])
    item = 5
    days = (freeze - WORLD.log.time[WORLD.log.item == item].min()) / DAY_SECONDS
    assert found[item, 3] == pytest.approx(np.log1p(days), rel=1e-5)


def test_the_future_is_not_known() -> None:
    past = WORLD.without_future()
    np.testing.assert_array_equal(
        pairing.facts(past.features, past.freeze), pairing.facts(WORLD.features, WORLD.freeze)
    )
    later = pairing.facts(WORLD.features, WORLD.freeze + 3 * DAY_SECONDS)
    assert (later != pairing.facts(WORLD.features, WORLD.freeze)).any()


def test_an_item_that_is_first_taken_later_has_no_age() -> None:
    early = pairing.facts(WORLD.features, int(WORLD.log.time[0]))
    assert not early[:, 3].any()


def test_items_of_the_same_people_are_close() -> None:
    board = checkerboard()
    found = pairing.tastes(board.timelines.before(board.freeze), NUM_ITEMS, 2)
    np.testing.assert_allclose(np.linalg.norm(found[CATALOGUE], axis=1), 1, rtol=1e-5)
    assert not found[~CATALOGUE].any()
    close = found @ found.T
    colour = np.arange(NUM_ITEMS) % 2
    same = colour[:, None] == colour
    inside = CATALOGUE[:, None] & CATALOGUE
    assert close[same & inside].min() > 0.99
    assert np.abs(close[~same & inside]).max() < 0.01


def test_the_same_log_gives_the_same_bytes() -> None:
    known = WORLD.timelines.before(WORLD.freeze)
    assert pairing.tastes(known, NUM_ITEMS, 8).tobytes() == pairing.tastes(known, NUM_ITEMS, 8).tobytes()


def test_there_are_no_more_directions_than_the_log_has() -> None:
    assert pairing.tastes(WORLD.timelines.before(WORLD.freeze), NUM_ITEMS, 500).shape == (NUM_ITEMS, NUM_ITEMS - 1)
