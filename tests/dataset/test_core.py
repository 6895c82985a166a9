import numpy as np
import pytest

from dataset.core import core


def codes(text: str) -> tuple[np.ndarray, np.ndarray]:
    """From `aX bY`: a user and an item each."""
    users, items = zip(*text.split(), strict=True)
    return np.array([ord(user) for user in users]), np.array([ord(item) for item in items])


@pytest.mark.parametrize(
    ("log", "min_user", "min_item", "left"),
    [
        ("aP aQ bP", 0, 0, "111"),
        ("aP aQ bP", 1, 1, "111"),
        ("aP aQ bP", 2, 0, "110"),
        ("aP aQ bP", 0, 2, "101"),
        # Q goes, then a has one left and goes, then P has one left and goes.
        ("aP aQ bP", 2, 2, "000"),
        ("aP aQ bP bQ cR", 2, 2, "11110"),
        ("aP aQ bP bQ cQ aR cR", 2, 2, "1111111"),
        ("aP aP bQ", 2, 2, "110"),  # repetitions count
    ],
)
def test_what_has_too_few_goes_until_nothing_does(log: str, min_user: int, min_item: int, left: str) -> None:
    found = core(*codes(log), min_user=min_user, min_item=min_item)
    assert found.tolist() == [mark == "1" for mark in left]


def test_the_result_is_its_own_core_and_holds_every_other() -> None:
    rng = np.random.default_rng(3)
    user, item = rng.integers(0, 30, 300), rng.integers(0, 40, 300)
    left = core(user, item, min_user=5, min_item=6)
    assert 0 < left.sum() < 300
    assert np.bincount(user[left])[user[left]].min() >= 5
    assert np.bincount(item[left])[item[left]].min() >= 6
    assert core(user[left], item[left], min_user=5, min_item=6).all()
    assert (core(user, item, min_user=4, min_item=6) >= left).all()


def test_an_empty_log_stays_empty() -> None:
    assert core(np.zeros(0, np.int64), np.zeros(0, np.int64), min_user=5, min_item=5).tolist() == []
