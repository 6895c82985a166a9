"""Item-based nearest neighbours: what is taken by the users who took your items.

    sim(i, j)  = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrink)        cosine on sets, shrunk towards 0 for rare pairs
    score(h, i) = sum over j in h of sim(i, j), j among the `neighbours` most similar items of i; may fade with age

Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms" (ACM TOIS).
"""

import numpy as np
from scipy import sparse

from dataset.query import Timelines
from models.baselines.incidence import incidence
from scoring.neighbours import Neighbours


def fit(
    known: Timelines, num_items: int, *, neighbours: int, shrink: float, half_life: float, longest: int
) -> Neighbours:
    """Computes the similarities.

    Args:
        known: what may be learned from.
        num_items: size of the vocabulary.
        neighbours: items kept for each candidate.
        shrink: added to the denominator.
        half_life: in positions, infinite for none; see `scoring.neighbours`.
        longest: positions of a history that are read.
    """
    taken = incidence(known, num_items)
    norm = np.sqrt(taken.sum(axis=0))
    together = (taken.T @ taken).tocoo()
    value = together.data / (norm[together.row] * norm[together.col] + shrink)
    value[together.row == together.col] = 0.0
    dense = sparse.coo_array((value, (together.row, together.col)), together.shape).toarray()
    kept = min(neighbours, num_items)
    weakest = -np.partition(-dense, kept - 1, axis=0)[kept - 1]
    similarity = sparse.csr_array(np.where(dense >= weakest, dense, 0.0).astype(np.float32))
    return Neighbours(similarity, np.zeros(num_items, np.float32), half_life, longest)
