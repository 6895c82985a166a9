"""Item-based nearest neighbours: what is taken by the users who took your items.

    sim(i, j)  = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrink)        cosine on sets, shrunk towards 0 for rare pairs
    score(h, i) = sum over j in h of sim(i, j), j among the `neighbours` most similar items of i

Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms" (ACM TOIS).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from dataset.query import Floats, Queries, Timelines


@dataclass(frozen=True)
class ItemKNN:
    """Similarities of items, the strongest kept."""

    similarity: sparse.csr_array
    """[num_items, num_items], from an item of the history (row) to a candidate (column)."""

    @classmethod
    def fit(cls, timelines: Timelines, num_items: int, *, freeze: int, neighbours: int, shrink: float) -> "ItemKNN":
        """Computes the similarities.

        Args:
            timelines: the log; what is at or after `freeze` is not read.
            num_items: size of the vocabulary.
            freeze: seconds since 1970-01-01 UTC.
            neighbours: items kept for each candidate.
            shrink: added to the denominator.
        """
        users = np.repeat(np.arange(len(timelines.starts) - 1), np.diff(timelines.starts))
        taken = _incidence(users, timelines.items, timelines.times < freeze, (len(timelines.starts) - 1, num_items))
        norm = np.sqrt(taken.sum(axis=0))
        together = (taken.T @ taken).tocoo()
        value = together.data / (norm[together.row] * norm[together.col] + shrink)
        value[together.row == together.col] = 0.0
        dense = sparse.coo_array((value, (together.row, together.col)), together.shape).toarray()
        kept = min(neighbours, num_items)
        weakest = -np.partition(-dense, kept - 1, axis=0)[kept - 1]
        return cls(sparse.csr_array(np.where(dense >= weakest, dense, 0.0).astype(np.float32)))

    def scores(self, queries: Queries) -> Floats:
        """[n, num_items] summed similarity to the distinct items of each history."""
        row, item = queries.seen()
        taken = _incidence(row, item, np.ones(len(row), np.bool_), (len(queries), self.similarity.shape[0]))
        scores: Floats = (taken @ self.similarity).toarray()
        return scores


def _incidence(row: np.ndarray, item: np.ndarray, inside: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """[rows, items] 1 where a row has an item, however often."""
    ones = np.ones(int(inside.sum()), np.float32)
    matrix = sparse.coo_array((ones, (row[inside], item[inside])), shape).tocsr()
    matrix.data[:] = 1.0
    return matrix
