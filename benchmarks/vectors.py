"""Item and query vectors of any number, drawn with a seed: like those of a trained two-tower model, and the hard case.

alike      Unit vectors around centres, one for a hundred items, of sizes after Zipf's law. Centres and what an item
           differs by from its centre are normal with variances i^-.9 along i = 1..d: half of the variance is in 8 of 64
           directions and four fifths in 32, as in the two-tower model of MovieLens-100K. A query is the mean of 1 to 20
           items, taken by popularity (after Zipf's law over the items of its centres) from one to three centres, and
           noise, at length 1: it lies near items, but at none, as a pooled history does.
isotropic  Normal items and queries without any structure: every item is nearly as far from a query as every other, so
           that there is little to be gained from knowing where a query lies. No trained model's vectors are like that.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from dataset.query import Floats, Longs

DECAY: Final = 0.9
"""Exponent of the spectrum."""
ITEMS_A_CENTRE: Final = 100
APART: Final = 0.8
"""Length of what an item differs by from its centre, over the centre's."""
NOISE: Final = 1.2
"""Length of a query's noise, over that of the mean of its items."""
HISTORY: Final = 20
TASTES: Final = 3

Draw = Callable[[int, int, int, int], tuple[Floats, Floats]]
"""Items, queries, d and seed -> [items, d] and [queries, d]."""


def alike(items: int, queries: int, d: int, seed: int) -> tuple[Floats, Floats]:
    """[items, d] and [queries, d] as a trained model has them."""
    rng = np.random.default_rng(seed)
    scale = (np.arange(1, d + 1) ** (-DECAY / 2)).astype(np.float32)
    scale /= np.linalg.norm(scale)
    centres = _normal(rng, max(items // ITEMS_A_CENTRE, 1), d) * scale
    member = np.sort(_zipf(rng, items, len(centres)))
    vectors = _normal(rng, items, d)
    vectors *= scale * APART
    vectors += centres[member]
    _unit(vectors)
    starts = np.searchsorted(member, np.arange(len(centres) + 1))
    means = np.stack([vectors[_history(rng, member, starts)].mean(axis=0) for _ in range(queries)])
    noise = _normal(rng, queries, d) * scale * NOISE * np.linalg.norm(means, axis=1, keepdims=True)
    return vectors, _unit(means + noise)


def isotropic(items: int, queries: int, d: int, seed: int) -> tuple[Floats, Floats]:
    """[items, d] and [queries, d] without structure."""
    rng = np.random.default_rng(seed)
    return _unit(_normal(rng, items, d)), _unit(_normal(rng, queries, d))


DATA: Final[dict[str, Draw]] = {"alike": alike, "isotropic": isotropic}


def _history(rng: np.random.Generator, member: Longs, starts: Longs) -> Longs:
    """Items of one query: the first of a centre is its most popular one."""
    tastes = member[rng.integers(len(member), size=rng.integers(1, TASTES + 1))]
    chosen = rng.choice(tastes, size=rng.integers(1, HISTORY + 1))
    place = _zipf(rng, len(chosen), ITEMS_A_CENTRE) % (starts[chosen + 1] - starts[chosen])
    found: Longs = starts[chosen] + place
    return found


def _zipf(rng: np.random.Generator, count: int, kinds: int) -> Longs:
    """[count] of 0..kinds - 1, the j-th with a probability of 1 / (j + 10), scaled: the shifted law of Mandelbrot."""
    weights = 1 / (np.arange(kinds) + 10)
    found: Longs = rng.choice(kinds, size=count, p=weights / weights.sum())
    return found


def _normal(rng: np.random.Generator, count: int, d: int) -> Floats:
    return rng.standard_normal((count, d), dtype=np.float32)


def _unit(vectors: Floats) -> Floats:
    """The same at length 1, in place."""
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
