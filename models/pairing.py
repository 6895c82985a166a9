"""What a ranker may know of items at the freeze: the facts, categories and tastes of `scoring.pairs`.

Tastes are the items' rows of a truncated singular value decomposition of who took what, popular items toned down,
scaled to length 1 (PureSVD: Cremonesi et al. 2010, "Performance of recommender algorithms on top-n recommendation
tasks", RecSys). Two fits turn them differently, so nothing but angles between them is ever read.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from dataset.features import ItemFeatures
from dataset.query import DAY_SECONDS, Floats, Timelines
from dataset.world import Fold
from models.baselines.incidence import incidence
from scoring.pairs import Pairs

SHRINK: Final = 10.0
"""Takings that every item is given before it is toned down, so that a single one does not make a direction."""


def pairs(fold: Fold, *, half_lives: Sequence[float], longest: int, taste_dim: int) -> Pairs:
    """The items as they are when the fold is frozen.

    Args:
        fold: which freeze.
        half_lives: see `scoring.pairs.Pairs`.
        longest: see `scoring.pairs.Pairs`.
        taste_dim: length of the taste vectors, less where there are fewer users or items.
    """
    found = facts(fold.features, fold.freeze)
    return Pairs(found, fold.features.categories, tastes(fold.known, len(found), taste_dim), list(half_lives), longest)


def facts(features: ItemFeatures, freeze: int) -> Floats:
    """[items, windows + 2] year, popularity, trends and age, as known at the freeze.

    Popularity is that of the longest window, a trend a shorter window's less the next one's, age the logarithm of the
    days since the first taking.
    """
    popularity = features.popularity[features.snapshot(np.array([freeze]))[0]]
    age = np.log1p(np.maximum(freeze - features.first_seen, 0) / DAY_SECONDS)
    columns = [features.year[:, None], popularity[:, -1:], popularity[:, :-1] - popularity[:, 1:], age[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)


def tastes(known: Timelines, num_items: int, width: int) -> Floats:
    """[num_items, width] rows of length 1, zeros for items that nobody took; the same bytes for the same log."""
    taken = incidence(known, num_items)
    width = min(width, min(taken.shape) - 1)
    popularity = np.asarray(taken.sum(axis=0)).reshape(-1)
    toned = taken @ sparse.diags_array(1 / np.sqrt(popularity + SHRINK))
    _, strength, directions = linalg.svds(toned, width, v0=np.ones(min(taken.shape)))
    rows = directions.T * strength
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, length, out=np.zeros_like(rows), where=(length > 0) & (popularity[:, None] > 0))
    found: Floats = unit.astype(np.float32)
    return found
