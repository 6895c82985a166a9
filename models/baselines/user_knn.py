"""User-based nearest neighbours: what is taken by the users who are most like you; see `scoring.user_neighbours`.

There is nothing to fit: who has taken what is kept as it is. Resnick et al. 1994, "GroupLens: an open architecture for
collaborative filtering of netnews" (CSCW); with sets and a fading query: Jannach and Ludewig 2017, "When recurrent
neural networks meet the neighborhood for session-based recommendation" (RecSys).
"""

import numpy as np
from scipy import sparse

from dataset.query import Timelines
from models.baselines.incidence import incidence
from scoring.user_neighbours import UserNeighbours


def fit(
    known: Timelines, num_items: int, *, neighbours: int, shrink: float, half_life: float, longest: int
) -> UserNeighbours:
    """Keeps the users of whom something is known.

    Args:
        known: what may be learned from.
        num_items: size of the vocabulary.
        neighbours: users that vote.
        shrink: added to the denominator of a similarity, so that few common items do not count for much.
        half_life: of the query's history, in positions; infinite for none.
        longest: positions of a history that are read.
    """
    taken = incidence(known, num_items)
    taken = sparse.csr_array(taken[np.diff(taken.indptr) > 0].astype(np.float32))
    return UserNeighbours(taken, neighbours, shrink, half_life, longest)
