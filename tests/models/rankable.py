"""A world in which what is taken is told by something that the retrieval cannot see.

40 items in four categories; everybody has taken one item and takes another of the same category next. The retrieval is
popularity, which knows nothing of categories; a ranker reads the cosine of categories between candidate and history.
"""

from functools import cache

import numpy as np

from dataset.query import Floats, Queries, Timelines
from models.ranking import RankerShape
from models.shortlists import Shortlists, shortlists
from scoring.pairs import Pairs
from scoring.popular import Popular
from scoring.two_stage import Retrieval

ITEMS, USERS, CANDIDATES = 42, 600, 30
CATALOGUE = np.arange(ITEMS) >= 2
RNG = np.random.default_rng(6)
RETRIEVAL = Retrieval(
    Popular(RNG.permutation(ITEMS).astype(np.float32)),
    CATALOGUE,
    CANDIDATES,
    Pairs(
        facts=RNG.normal(size=(ITEMS, 2)).astype(np.float32),
        categories=np.where(CATALOGUE, 2 + np.arange(ITEMS) % 4, 0).astype(np.int32)[:, None],
        tastes=np.zeros((ITEMS, 1), np.float32),
        half_lives=[2.0],
        longest=5,
    ),
)


def queries() -> Queries:
    """One a user, a second after the other."""
    rng = np.random.default_rng(7)
    first = rng.integers(2, ITEMS, USERS)
    # A multiple of four further along the circle of 40 items: the same category, another item.
    target = 2 + (first - 2 + 4 * rng.integers(1, 10, USERS)) % 40
    lines = Timelines(np.arange(USERS + 1), first.astype(np.int32), np.arange(USERS))
    return Queries(
        lines,
        user=np.arange(USERS, dtype=np.int32),
        end=np.ones(USERS, np.int64),
        time=np.arange(USERS) + 60,
        target=target.astype(np.int32),
    )


@cache
def lists() -> Shortlists:
    """The weight is 5 for items with an even index, else 1."""
    asked = queries()
    weight: Floats = np.where(asked.target % 2 == 0, 5, 1).astype(np.float32)
    return shortlists(RETRIEVAL, asked, weight)


def shape(*, embedding_dim: int = 0, weight_loss: float = 0.0, dropout: float = 0.0) -> RankerShape:
    """Small."""
    return RankerShape(
        numbers=RETRIEVAL.pairs.width(0),
        items=ITEMS,
        longest=5,
        embedding_dim=embedding_dim,
        cross_layers=2,
        units=8,
        dropout=dropout,
        l2=1e-4,
        weight_loss=weight_loss,
    )
