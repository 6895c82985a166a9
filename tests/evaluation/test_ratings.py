import numpy as np
import pytest

from evaluation.ratings import RatingError, errors, rating_errors
from evaluation.significance import Bootstrap, Interval

BOOTSTRAP = Bootstrap(samples=300, confidence=0.9, seed=2)


def test_errors_by_hand() -> None:
    prediction, rating = np.array([3.0, 5.0, 1.0, 4.0]), np.array([4, 1, 1, 4])
    found = rating_errors(prediction, rating, np.array([0, 1, 1, 2]), BOOTSTRAP)
    assert (found["rmse"].value, found["mae"].value) == pytest.approx((np.sqrt(17 / 4), 5 / 4))
    assert errors(prediction, rating).tolist() == [-1, 4, 0, 0]


def test_the_interval_of_the_root_is_the_root_of_the_interval() -> None:
    generator = np.random.default_rng(0)
    users, rating = np.repeat(np.arange(40), 5), generator.integers(1, 6, 200)
    prediction = (rating + generator.normal(size=200)).astype(np.float32)
    found = rating_errors(prediction, rating, users, BOOTSTRAP)
    square = BOOTSTRAP.mean((prediction.astype(np.float64) - rating) ** 2, users)
    assert found["rmse"] == Interval(*np.sqrt([square.value, square.low, square.high]))
    for interval in found.values():
        assert 0 < interval.low < interval.value < interval.high
    # The root of a mean square is at least the mean, and here it is well above.
    assert found["rmse"].value > 1.1 * found["mae"].value


def test_right_predictions_have_no_error() -> None:
    rating = np.array([1, 5, 3])
    nothing = Interval(0.0, 0.0, 0.0)
    assert rating_errors(rating, rating, np.arange(3), BOOTSTRAP) == {"rmse": nothing, "mae": nothing}


def test_one_user_shows_nothing() -> None:
    found = rating_errors(np.array([1.0, 2.0]), np.array([2, 3]), np.zeros(2, np.int32), BOOTSTRAP)
    assert found["rmse"] == Interval(1.0, 0.0, np.inf)


@pytest.mark.parametrize(
    ("prediction", "rating", "message"),
    [
        (np.ones(2), np.ones(3), r"Received: \(2,\) and \(3,\)"),
        (np.ones((2, 1)), np.ones((2, 1)), "must both be"),
        (np.ones(0), np.ones(0), "n at least 1"),
        (np.array([1.0, np.nan]), np.ones(2), "Received: 1 not so"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    prediction: np.ndarray[tuple[int], np.dtype[np.float64]],
    rating: np.ndarray[tuple[int], np.dtype[np.float64]],
    message: str,
) -> None:
    with pytest.raises(RatingError, match=message):
        rating_errors(prediction, rating, np.arange(len(rating)), BOOTSTRAP)
