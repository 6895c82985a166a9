"""Weights of a blend, learned on validation: maximum likelihood of what was taken, under a softmax over the catalogue.

    minimize over w >= 0:  -mean log softmax(sum_j w_j z_j)[target] + l2 |w - w0|^2,      z_j standardized scores

The problem is convex and has a handful of unknowns, so a few thousand queries are enough. w0 is 0 for the weights of
all histories together, and those for the weights of histories of one length. Wolpert 1992, "Stacked generalization".

Or one part alone for histories of one length, the one that is best there: a switching hybrid (Burke 2002, "Hybrid
recommender systems: survey and experiments").

What a blend is worth is told by users whose answers it has not learned from: `Crossed`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from dataset.query import Floats, Queries
from dataset.world import Fold
from scoring.blend import Blend, bucket, standardized
from scoring.forms import Form

MOST_SCORES = 200_000_000
"""Scores held at a time: queries are left out to stay below it."""
FEWEST = 50
"""Queries below which a bucket keeps the weights of all, as does one that holds them all."""
CUTOFF = 10
"""Of the NDCG that says which part is best."""


@dataclass(frozen=True)
class Crossed:
    """Two blends of the same parts, each learned from half of the users and asked about the others.

    A scorer for the very questions that a blend is learned from, which tells what it is worth where it has not learned:
    two-fold cross-validation by user (Stone 1974, "Cross-validatory choice and assessment of statistical predictions").
    """

    of_odd: Blend
    """Learned from users with an odd index."""
    of_even: Blend

    @classmethod
    def learned(cls, learn: Callable[[Fold], Blend], fold: Fold) -> "Crossed":
        """Learns both, each from its half of a fold's questions."""
        odd = fold.ask.user % 2 == 1
        return cls(*(learn(replace(fold, ask=fold.ask[half])) for half in (odd, ~odd)))

    def standing_upon(self, parts: Sequence[Form]) -> "Crossed":
        """The same weights for other forms of the parts."""
        return Crossed(replace(self.of_odd, parts=parts), replace(self.of_even, parts=parts))

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        odd = (queries.user % 2 == 1)[:, None]
        return np.where(odd, self.of_even.scores(queries), self.of_odd.scores(queries))


def learn(parts: Sequence[Form], fold: Fold, *, steps: Sequence[int], l2: float, max_queries: int, seed: int) -> Blend:
    """A blend of `parts`, its weights learned from the fold's questions; without a question all weigh alike.

    Args:
        parts: forms that know nothing of the fold's answers.
        fold: whose `ask` has the answers.
        steps: see `scoring.blend.Blend`.
        l2: see the module's head.
        max_queries: learned from at most.
        seed: of the sample.
    """
    queries = _sample(fold, len(parts), max_queries, np.random.default_rng(seed))
    scores = np.stack([standardized(part.scores(queries)) for part in parts])
    allowed = queries.unseen(fold.catalogue)
    everywhere = _fit(scores, allowed, queries.target, np.zeros(len(parts)), l2)
    group = bucket(queries, steps)
    weights = []
    for number in range(len(steps)):
        rows = group == number
        enough = FEWEST <= rows.sum() < len(queries)
        weights.append(
            _fit(scores[:, rows], allowed[rows], queries.target[rows], everywhere, l2) if enough else everywhere
        )
    return Blend(parts, list(steps), np.array(weights, np.float32))


def choose(parts: Sequence[Form], fold: Fold, *, steps: Sequence[int], max_queries: int, seed: int) -> Blend:
    """A blend in which one part answers alone: of each bucket the one with the best NDCG@10, the first among equals.

    With fewer than FEWEST questions a bucket goes by those of all, without any by the order of the parts.

    Args:
        parts: forms that know nothing of the fold's answers.
        fold: whose `ask` has the answers.
        steps: see `scoring.blend.Blend`.
        max_queries: asked at most.
        seed: of the sample.
    """
    queries = _sample(fold, 1, max_queries, np.random.default_rng(seed))
    gains = np.stack([_gains(part.scores(queries), queries, fold.catalogue) for part in parts])
    group = bucket(queries, steps)
    weights = np.zeros((len(steps), len(parts)), np.float32)
    for number in range(len(steps)):
        rows = group == number
        told = gains[:, rows] if rows.sum() >= FEWEST else gains
        weights[number, told.sum(axis=1).argmax()] = 1
    return Blend(parts, list(steps), weights)


def _gains(scores: Floats, queries: Queries, catalogue: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """[n] NDCG@10 of each query, ties against the part."""
    scores = np.where(queries.unseen(catalogue), scores, -np.inf)
    place = (scores >= scores[np.arange(len(queries)), queries.target][:, None]).sum(axis=1)
    return np.where(place <= CUTOFF, 1 / np.log2(place + 1), 0.0)


def _sample(fold: Fold, parts: int, most: int, generator: np.random.Generator) -> Queries:
    """Queries whose target could be recommended."""
    answerable = np.flatnonzero(fold.catalogue[fold.ask.target])
    count = min(len(answerable), most, max(MOST_SCORES // (max(parts, 1) * len(fold.catalogue)), 1))
    return fold.ask[np.sort(generator.choice(answerable, count, replace=False))]


def _fit(
    scores: Floats,
    allowed: npt.NDArray[np.bool_],
    target: npt.NDArray[np.int32],
    towards: npt.NDArray[np.float64],
    l2: float,
) -> npt.NDArray[np.float64]:
    """[p] the weights; `scores` [p, n, items]."""
    start = np.maximum(towards, 1e-3) if towards.any() else np.ones(len(scores))
    if len(target) == 0:
        return start
    rows = np.arange(len(target))
    taken = scores[:, rows, target].astype(np.float64)

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        logits = np.where(allowed, np.tensordot(weights.astype(np.float32), scores, axes=1), -np.inf)
        level = special.logsumexp(logits, axis=1)
        chance = np.exp(logits - level[:, None])
        expected = np.einsum("ni,pni->pn", chance, scores)
        away = weights - towards
        value = float(np.mean(level - weights @ taken) + l2 * away @ away)
        return value, (expected - taken).mean(axis=1) + 2 * l2 * away

    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(scores))
    weights: npt.NDArray[np.float64] = found.x
    return weights
