"""How far predicted ratings are from given ones, for models that predict a rating rather than a choice.

    rmse = sqrt(mean of (prediction - rating)^2)        mae = mean of |prediction - rating|

Both are in the ratings' unit. RMSE weighs one large error as many small ones, MAE does not (Willmott and Matsuura 2005,
"Advantages of the mean absolute error over the root mean square error").
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evaluation.significance import Bootstrap, Interval

Numbers = npt.NDArray[np.floating] | npt.NDArray[np.integer]


class RatingError(ValueError):
    """Predictions that cannot be compared with ratings."""


def errors(prediction: Numbers, rating: Numbers) -> npt.NDArray[np.float64]:
    """[n] prediction - rating.

    Raises:
        RatingError: not two equally long, non-empty, finite rows of numbers.
    """
    if prediction.shape != rating.shape or prediction.ndim != 1 or len(rating) == 0:
        raise RatingError(
            f"prediction and rating must both be [n], n at least 1. Received: {prediction.shape} and {rating.shape}"
        )
    found = prediction.astype(np.float64) - rating.astype(np.float64)
    if not np.isfinite(found).all():
        raise RatingError(f"prediction and rating must be finite. Received: {int((~np.isfinite(found)).sum())} not so")
    return found


def rating_errors(
    prediction: Numbers, rating: Numbers, users: npt.NDArray[np.integer], bootstrap: Bootstrap
) -> dict[str, Interval]:
    """`rmse` and `mae` with their intervals over users.

    Args:
        prediction: [n] predicted ratings.
        rating: [n] given ones.
        users: [n] who gave them.
        bootstrap: how to resample.

    Raises:
        RatingError: see `errors`.
    """
    error = errors(prediction, rating)
    found = bootstrap.means({"square": error**2, "mae": np.abs(error)}, users)
    return {"rmse": _root(found["square"]), "mae": found["mae"]}


def _root(interval: Interval) -> Interval:
    """The root grows with its argument, so the bounds of the mean square give those of its root."""
    # With one user the lower bound is -inf, which says no more than 0 does.
    low = float(np.sqrt(max(interval.low, 0.0)))
    return replace(interval, value=float(np.sqrt(interval.value)), low=low, high=float(np.sqrt(interval.high)))
