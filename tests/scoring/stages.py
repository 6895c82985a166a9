"""Small first and second stages with numbers that can be followed by hand."""

import numpy as np

from dataset.query import Queries, Timelines
from scoring.cross_network import CrossNetwork
from scoring.forms import Form
from scoring.pairs import Pairs
from scoring.two_stage import Retrieval, TwoStage

ITEMS = 8
CATALOGUE = np.arange(ITEMS) >= 2
RNG = np.random.default_rng(4)
FACTS = RNG.normal(size=(ITEMS, 2)).astype(np.float32)
# Items 2 and 3 share a category, 4 has two, 5 none.
OF_ITEMS = np.array([[0, 0], [0, 0], [2, 0], [2, 0], [2, 3], [0, 0], [3, 0], [3, 0]], np.int32)
TASTES = np.array([[0, 0], [0, 0], [1, 0], [0, 1], [0.6, 0.8], [1, 0], [0, 1], [0, 0]], np.float32)
PAIRS = Pairs(FACTS, OF_ITEMS, TASTES, [1.0, 4.0], 3)
LINES = Timelines(
    np.array([0, 0, 3, 7], np.int64), np.array([2, 3, 4, 5, 2, 5, 3], np.int32), 10 * np.arange(7, dtype=np.int64)
)
ASKED = Queries(
    LINES, np.array([0, 1, 2, 2], np.int32), np.array([0, 3, 4, 2]), np.full(4, 99), np.full(4, 6, np.int32)
)
"""Histories: none; 2, 3, 4; 5, 2, 5, 3; 5, 2."""


def network(width: int, *, embedding_dim: int = 0, layers: int = 2, units: int = 3, seed: int = 0) -> CrossNetwork:
    """Any weights."""
    rng = np.random.default_rng(seed)
    inner = width + 2 * embedding_dim

    def some(*shape: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        return (0.3 * rng.normal(size=shape)).astype(np.float32)

    return CrossNetwork(
        mean=some(width),
        scale=1 + np.abs(some(width)),
        embedding=some(ITEMS, embedding_dim),
        cross=[(some(inner, inner), some(inner)) for _ in range(layers)],
        hidden=(some(inner, units), some(units)),
        out=some(inner + units),
    )


def two_stage(form: Form, *, candidates: int, embedding_dim: int = 0) -> TwoStage:
    """A ranker of any weights upon `form`."""
    retrieval = Retrieval(form, CATALOGUE, candidates, PAIRS)
    return TwoStage(retrieval, network(PAIRS.width(len(retrieval.parts)), embedding_dim=embedding_dim))
