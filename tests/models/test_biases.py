import numpy as np
import pytest

from dataset.ratings import Ratings
from dataset.vocabulary import OOV
from models.baselines import biases


def ratings(*rows: tuple[int, int, float]) -> Ratings:
    """From (user, item, rating)."""
    user, item, weight = np.array(rows).T
    return Ratings(
        user.astype(np.int32), item.astype(np.int32), weight.astype(np.float32), np.zeros(len(rows), np.int8)
    )


# The mean is 3. Item 2 has 5 and 4, item 3 has 1 and 2; user 0 rates one of each, so does user 1.
HAND = ratings((0, 2, 5), (0, 3, 1), (1, 2, 4), (1, 3, 2))


def fitted(known: Ratings = HAND, *, item: float = 0.0, user: float = 0.0) -> biases.Biases:
    return biases.fit(known, num_users=3, num_items=5, item_shrink=item, user_shrink=user)


def test_biases_by_hand() -> None:
    found = fitted()
    assert found.mean == 3
    assert found.item.tolist() == [0, 0, 1.5, -1.5, 0]
    # User 0 is .5 above and .5 below what the items say.
    assert found.user.tolist() == [0, 0, 0]
    lenient = fitted(ratings((0, 2, 5), (0, 3, 3), (1, 2, 3), (1, 3, 1)))
    assert lenient.item[2:4].tolist() == [1, -1]
    assert lenient.user[:2].tolist() == [1, -1]


def test_shrinkage_adds_so_many_ratings_of_the_mean() -> None:
    # (2 + 1) / (2 + 4) for the item; the user's rest is then 2 - .5 and -2 + .5, which cancel out.
    assert fitted(item=4.0).item[2:4].tolist() == [0.5, -0.5]
    lenient = ratings((0, 2, 5), (0, 3, 3), (1, 2, 3), (1, 3, 1))
    assert fitted(lenient, user=2.0).user[:2].tolist() == [0.5, -0.5]


def test_predictions_stay_within_what_was_seen_and_unknown_ones_are_the_mean() -> None:
    found = fitted(ratings((0, 2, 5), (0, 3, 3), (1, 2, 3), (1, 3, 1)))
    user, item = np.array([0, 1, 2, 2, 0, 0]), np.array([2, 3, 2, 4, 4, OOV])
    assert found.predict(user.astype(np.int32), item.astype(np.int32)).tolist() == [5, 1, 4, 3, 4, 4]
    # 3 + 2 + 2 would be more than anybody ever gave.
    high = fitted(ratings((0, 2, 5), (0, 3, 5), (1, 2, 5), (1, 3, 1), (2, 4, 1)))
    assert high.predict(np.array([0], np.int32), np.array([2], np.int32)).tolist() == [5]


def test_items_out_of_vocabulary_tell_nothing_of_each_other() -> None:
    found = fitted(ratings((0, OOV, 5), (1, OOV, 5), (1, 2, 2)))
    assert found.item[OOV] == 0
    assert found.user[0] > 0


def test_biases_are_found_again() -> None:
    rng = np.random.default_rng(4)
    liked, lenient = rng.normal(size=30), rng.normal(size=200)
    liked[:2] = 0
    user, item = rng.integers(0, 200, 20_000), rng.integers(2, 30, 20_000)
    weight = (10 + liked[item] + lenient[user] + 0.1 * rng.normal(size=20_000)).astype(np.float32)
    known = Ratings(user.astype(np.int32), item.astype(np.int32), weight, np.zeros(20_000, np.int8))
    found = biases.fit(known, num_users=200, num_items=30, item_shrink=1.0, user_shrink=1.0)
    error = found.predict(known.user, known.item) - weight
    assert np.sqrt((error**2).mean()) < 0.2
    assert np.corrcoef(found.item[2:], liked[2:])[0, 1] == pytest.approx(1, abs=0.01)
