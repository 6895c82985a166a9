"""The baseline predictor of ratings: some items are liked by all, some users like all they take.

    prediction = mu + b_i + b_u,     b_i = sum over u of (r_ui - mu) / (item_shrink + n_i)
                                     b_u = sum over i of (r_ui - mu - b_i) / (user_shrink + n_u)

mu is the mean of what was learned from; an item or user of whom nothing is known has no bias. Predictions are kept
within the ratings that were seen. Koren 2010, "Factor in the neighbors: scalable and accurate collaborative filtering"
(ACM TKDD), section 2.1. A model of ratings that is not better has learned nothing about anyone's taste.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset.query import Ints
from dataset.ratings import Ratings
from dataset.vocabulary import OOV

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Biases:
    """What was learned."""

    mean: float
    item: Values
    """[num_items]"""
    user: Values
    """[num_users]"""
    span: tuple[float, float]
    """Smallest and largest rating seen."""

    def predict(self, user: Ints, item: Ints) -> Values:
        """[n] ratings of `item` [n] by `user` [n]."""
        return np.clip(self.mean + self.item[item] + self.user[user], *self.span)


def fit(known: Ratings, *, num_users: int, num_items: int, item_shrink: float, user_shrink: float) -> Biases:
    """Learns the biases.

    Args:
        known: at least one rating.
        num_users: also those of whom there is none.
        num_items: size of the vocabulary.
        item_shrink: ratings of the mean that are added to an item's own, so that few do not count for much.
        user_shrink: the same for a user.
    """
    rating = known.weight.astype(np.float64)
    mean = float(rating.mean())
    # Out of vocabulary there are many items under one index, which tell nothing of each other.
    item = _shrunk(known.item, np.where(known.item > OOV, rating - mean, 0.0), num_items, item_shrink)
    user = _shrunk(known.user, rating - mean - item[known.item], num_users, user_shrink)
    return Biases(mean, item, user, (float(rating.min()), float(rating.max())))


def _shrunk(index: Ints, rest: Values, size: int, shrink: float) -> Values:
    """[size] the sums of what is left to explain over their number and the shrinkage; 0 where there is nothing."""
    count = np.bincount(index, minlength=size)
    total = np.bincount(index, rest, minlength=size)
    return np.where(count > 0, total / np.maximum(count + shrink, 1e-12), 0.0)
