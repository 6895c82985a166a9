import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.augmentation import Augmentation, AugmentationError, Changed, change
from dataset.query import Ints
from dataset.vocabulary import OOV, PADDING

WIDTH = 12
SIZES = [12, 7, 1, 0]


def windows(sizes: list[int]) -> tuple[Ints, Ints]:
    """Windows of different items, newest first, each a minute older than the one before it."""
    column = np.arange(WIDTH)
    present = column < np.array(sizes)[:, None]
    items = np.where(present, 100 + np.arange(len(sizes))[:, None] * WIDTH + column, PADDING)
    return items.astype(np.int32), np.where(present, 60 * column, 0).astype(np.int32)


def changed(
    sizes: list[int], *, crop: float = 0.0, mask: float = 0.0, reorder: float = 0.0, seed: int = 0
) -> tuple[Ints, Ints, Changed]:
    items, ages = windows(sizes)
    return items, ages, change(items, ages, Augmentation(crop, mask, reorder), np.random.default_rng(seed))


def test_shares_of_0_change_nothing() -> None:
    assert not Augmentation(0.0, 0.0, 0.0).active
    items, ages, found = changed(SIZES)
    assert np.array_equal(found.items, items)
    assert np.array_equal(found.ages, ages)
    assert found.askable.all()


def test_the_oldest_events_are_cut_off_and_not_asked_from() -> None:
    items, ages, found = changed([12] * 400, crop=0.5)
    left = (found.items != PADDING).sum(axis=1)
    assert np.unique(left).tolist() == [6, 7, 8, 9, 10, 11, 12]
    assert np.bincount(left)[6:].min() > 400 / 7 / 2
    kept = np.arange(WIDTH) < left[:, None]
    assert np.array_equal(found.items, np.where(kept, items, PADDING))
    assert np.array_equal(found.ages, np.where(kept, ages, 0))
    assert np.array_equal(found.askable, kept)


def test_an_item_is_hidden_where_its_place_and_time_stay() -> None:
    items, ages, found = changed([12] * 400 + [3] * 400, mask=0.25)
    hidden = found.items != items
    assert (found.items[hidden] == OOV).all()
    assert not hidden[items == PADDING].any()
    assert hidden[items != PADDING].mean() == pytest.approx(0.25, abs=0.02)
    assert hidden[:, 0].any()  # the event that a query is answered from as well
    assert np.array_equal(found.ages, ages)
    assert found.askable.all()


def test_a_stretch_changes_places_with_itself() -> None:
    items, ages, found = changed([12] * 400, reorder=0.5)
    moved = found.items != items
    assert np.array_equal(found.ages, ages)
    assert np.array_equal(np.sort(found.items, axis=1), np.sort(items, axis=1))
    first, last = moved.argmax(axis=1), WIDTH - 1 - moved[:, ::-1].argmax(axis=1)
    length = np.where(moved.any(axis=1), last - first + 1, 0)
    assert length.max() == 6
    assert 0.5 < moved.any(axis=1).mean() < 0.9  # of 0 to 6 events, those of 0 and 1 change nothing
    assert moved[:, 0].any()
    assert moved[:, -1].any()


def seen_ahead(items: Ints, found: Changed) -> int:
    """Events from which a query would see an item that came after them."""
    count = 0
    for row, before in enumerate(items):
        for column in np.flatnonzero(found.askable[row] & (before != PADDING)):
            visible = set(found.items[row, column:].tolist()) - {OOV, PADDING}
            count += not visible <= set(before[column:].tolist())
    return count


def test_a_query_inside_the_stretch_would_see_what_it_asks_for() -> None:
    items, ages, found = changed([12] * 100, reorder=0.5)
    assert seen_ahead(items, found) == 0
    everything = Changed(found.items, ages, np.ones_like(found.askable))
    assert seen_ahead(items, everything) > 50


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, WIDTH), min_size=1, max_size=6),
    st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 0.99])] * 3),
    st.integers(0, 1000),
)
def test_nobody_sees_ahead_and_every_window_is_asked_from(
    sizes: list[int], shares: tuple[float, float, float], seed: int
) -> None:
    crop, mask, reorder = shares
    items, ages, found = changed(sizes, crop=crop, mask=mask, reorder=reorder, seed=seed)
    assert seen_ahead(items, found) == 0
    # Its newest event, which some query of every window is answered from.
    some = np.array(sizes) > 0
    assert found.askable[some, 0].all()
    assert (found.items[some, 0] != PADDING).all()
    assert np.array_equal(found.items == PADDING, (found.ages == 0) & (np.arange(WIDTH) > 0) | (items == PADDING))
    assert np.isin(found.ages, ages).all()


def test_the_same_seed_gives_the_same_windows() -> None:
    one, other, third = (changed([12] * 9, crop=0.3, mask=0.3, reorder=0.3, seed=seed)[2] for seed in (4, 4, 5))
    assert np.array_equal(one.items, other.items)
    assert not np.array_equal(one.items, third.items)


@pytest.mark.parametrize("shares", [(1.0, 0.0, 0.0), (0.0, -0.1, 0.0), (0.0, 0.0, float("nan"))])
def test_shares_that_leave_nothing_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(AugmentationError, match=r"at least 0 and below 1\. Received"):
        Augmentation(*shares)
