"""Alternating least squares for implicit feedback: users and items as vectors whose product says what is taken.

    minimize sum over u, i of c_ui (p_ui - x_u . y_i)^2 + l2 (sum |x_u|^2 + sum |y_i|^2)

p_ui is 1 for what a user has taken, c_ui = 1 + alpha for it and 1 for the rest. Hu, Koren and Volinsky 2008,
"Collaborative filtering for implicit feedback datasets" (ICDM), fitted by the library `implicit`. The users' vectors
are thrown away: `scoring.folded` solves for whoever asks, with a history that fades.
"""

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from dataset.query import Timelines
from models.baselines.incidence import incidence
from scoring.folded import Folded
from scoring.tables import Table


def fit(
    known: Timelines,
    num_items: int,
    *,
    factors: int,
    l2: float,
    alpha: float,
    iterations: int,
    half_life: float,
    longest: int,
    seed: int,
) -> Folded:
    """Fits the item factors; those of items that nobody has taken are zero.

    Args:
        known: what may be learned from.
        num_items: size of the vocabulary.
        factors: width of the vectors.
        l2: regularization.
        alpha: what having been taken adds to the confidence.
        iterations: each solves for all users and then for all items.
        half_life: of a query's history, in positions; infinite for none.
        longest: positions of a history that are read.
        seed: of the start.
    """
    confidence = sparse.csr_matrix(incidence(known, num_items) * (1 + alpha), dtype=np.float32)
    # Its own threads solve for rows, each alone, so that their number changes nothing; BLAS's would only be in the way.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors, regularization=l2, alpha=1.0, iterations=iterations, use_cg=False, random_state=seed
        )
        model.fit(confidence, show_progress=False)
    return Folded(Table(model.item_factors), l2, alpha, half_life, longest)
