"""Who has taken what, as a sparse matrix: where every linear model begins."""

import numpy as np
from scipy import sparse

from dataset.query import Timelines


def incidence(known: Timelines, num_items: int) -> sparse.csr_array:
    """[users, num_items] float64, 1 where a user has taken an item, however often."""
    users = np.repeat(np.arange(len(known.starts) - 1), np.diff(known.starts))
    shape = (len(known.starts) - 1, num_items)
    taken = sparse.coo_array((np.ones(len(users)), (users, known.items)), shape).tocsr()
    taken.sum_duplicates()
    taken.data[:] = 1.0
    return taken
