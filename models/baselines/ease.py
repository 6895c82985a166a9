"""EASE: a linear model from what a user has taken to what comes next, in closed form.

    B = I - P diag(1 / diag(P)),   P = (X'X + l2 I)^-1,   B_jj = 0
    score(h) = w(h) B + trend log(1 + 1000 share),        w(h)_j = .5^(age of j in h / half_life)

Steck 2019, "Embarrassingly shallow autoencoders for sparse data" (WWW, arXiv 1905.03375), whose w is 1 for every item
taken and whose trend is 0. Weighting by age (in positions, the newest item has age 0) makes it follow what a user does
now, the trend what everybody does; on MovieLens-100K the two are worth half of its NDCG@10.
"""

import numpy as np
from scipy import linalg

from dataset.features import SHARE_SCALE
from dataset.query import Timelines
from models.baselines import popularity
from models.baselines.incidence import incidence
from scoring.neighbours import Neighbours


def fit(
    known: Timelines,
    num_items: int,
    *,
    freeze: int,
    l2: float,
    half_life: float,
    longest: int,
    trend: float,
    trend_seconds: int,
) -> Neighbours:
    """Solves for the weights.

    Args:
        known: what may be learned from.
        num_items: size of the vocabulary; the memory grows with its square.
        freeze: end of the trend's window, seconds since 1970-01-01 UTC.
        l2: regularization, in interactions.
        half_life: in positions, infinite for none.
        longest: positions of a history that are read.
        trend: weight of recent popularity.
        trend_seconds: its window.
    """
    taken = incidence(known, num_items)
    gram = (taken.T @ taken).toarray()
    gram[np.diag_indices(num_items)] += l2
    inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights = -inverse / np.diag(inverse)
    weights[np.diag_indices(num_items)] = 0.0
    lately = popularity.counts(known, num_items, freeze=freeze, window_seconds=trend_seconds)
    bias = trend * np.log1p(SHARE_SCALE * lately / max(lately.sum(), 1))
    return Neighbours(weights.astype(np.float32), bias.astype(np.float32), half_life, longest)
