"""What a ranker reads of a query and one of its candidates: numbers, each known from the query or at the freeze.

    retrieval   standardized score, distance to the best candidate's, log place, each part's own score
    item        its facts: year, popularity, trends, age
    history     for each half-life, of the mean over the fading history: distance in each fact, cosine of categories,
                cosine of tastes
    query       its context: time of day, recency, experience

Everything about items is as it was at the freeze, when the ranker learns as when it is served, whatever the query's own
moment is: a model that is frozen cannot know more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dataset.query import CONTEXT, Floats, Ints, Longs, Queries
from dataset.vocabulary import PADDING
from scoring.blend import standardized
from scoring.fading import Fading, fading
from scoring.forms import FormError, required

RETRIEVAL: Final = ("score", "behind_best", "place")
SIMILARITIES: Final = ("categories", "tastes")


@dataclass(frozen=True)
class Pairs:
    """Facts of all items at the freeze, and how a history is summed up."""

    facts: Floats
    """[items, f]: year, popularity and so on; any numbers whose differences mean something."""
    categories: Ints
    """[items, c] category indices, filled up with PADDING."""
    tastes: Floats
    """[items, d] vectors of length 1 that are close for items of the same people, or zeros."""
    half_lives: Sequence[float]
    """Positions after which an item of the history counts half, one a summary."""
    longest: int
    """Positions of a history that are read."""
    _category_share: Floats = field(init=False, repr=False, compare=False)
    """[items, c] what a category is of its item, rows of length 1 or zeros; 0 for PADDING."""
    _category_count: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        present = self.categories != PADDING
        share = present / np.sqrt(np.maximum(present.sum(axis=1, keepdims=True), 1))
        object.__setattr__(self, "_category_share", share.astype(np.float32))
        object.__setattr__(self, "_category_count", int(self.categories.max(initial=PADDING)) + 1)

    def width(self, parts: int) -> int:
        """Numbers of a pair where retrieval has so many parts."""
        facts: int = self.facts.shape[1]
        return len(RETRIEVAL) + parts + facts + len(self.half_lives) * (facts + len(SIMILARITIES)) + len(CONTEXT)

    def numbers(
        self, queries: Queries, history: Fading, candidates: Longs, scores: Floats, parts: Sequence[Floats]
    ) -> Floats:
        """[n, c, width] of each query with each of its candidates.

        Args:
            queries: n queries.
            history: theirs, see `history`.
            candidates: [n, c] item indices, best first.
            scores: [n, items] of the retrieval.
            parts: [n, items] each, of the retrieval's parts, standardized.
        """
        rows = np.arange(len(queries))[:, None]
        score = standardized(scores)[rows, candidates]
        place = np.log1p(np.arange(candidates.shape[1])) / np.log1p(candidates.shape[1])
        retrieved = [score, score - score[:, :1], np.broadcast_to(place, score.shape)]
        retrieved += [part[rows, candidates] for part in parts]
        facts = self.facts[candidates]
        context = np.broadcast_to(queries.context()[:, None], (*candidates.shape, len(CONTEXT)))
        blocks = [np.stack(retrieved, axis=-1), facts, self._against(history, candidates, facts), context]
        return np.concatenate(blocks, axis=-1, dtype=np.float32)

    def history(self, queries: Queries) -> Fading:
        """The queries' histories as they are summed up."""
        return fading(queries, self.half_lives, self.longest)

    def _against(self, history: Fading, candidates: Longs, facts: Floats) -> Floats:
        """[n, c, h * (f + 2)] for each half-life distance in each fact and both cosines; zeros without a history."""
        known = (history.weights.sum(axis=-1) > 0)[:, None, :, None]
        distance = np.abs(history.mean(self.facts)[:, None] - facts[:, :, None]) * known
        tastes = self.tastes[candidates] @ np.swapaxes(history.mean(self.tastes), 1, 2)
        cosines = np.stack([self._shared(history, candidates), tastes], axis=-1)
        return np.concatenate([distance, cosines], axis=-1).reshape(*candidates.shape, -1)

    def _shared(self, history: Fading, candidates: Longs) -> Floats:
        """[n, c, h] cosine of a candidate's categories with the mean over the history."""
        of_history, share = self.categories[history.items], self._category_share[history.items]
        queries, half_lives = history.weights.shape[:2]
        # A history's weight of each category: one place for each query, half-life and category.
        place = np.arange(queries * half_lives).reshape(queries, half_lives, 1, 1) * self._category_count
        place = place + of_history[:, None]
        weight = history.weights[..., None] * share[:, None]
        mean = np.bincount(place.ravel(), weight.ravel(), queries * half_lives * self._category_count)
        mean = mean.reshape(queries, half_lives, -1).swapaxes(1, 2)
        of_candidates = mean[np.arange(queries)[:, None, None], self.categories[candidates]]
        shared: Floats = np.einsum("ncgh,ncg->nch", of_candidates, self._category_share[candidates]).astype(np.float32)
        return shared

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept."""
        return {"facts": self.facts, "categories": self.categories, "tastes": self.tastes}

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {"half_lives": list(self.half_lives), "longest": self.longest}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Pairs":
        """The inverse of `arrays` and `settings`.

        Raises:
            FormError: an array is missing, not finite, or about another number of items.
        """
        facts, tastes = required(arrays, "facts", ndim=2), required(arrays, "tastes", ndim=2)
        categories = required(arrays, "categories", ndim=2, kinds="i")
        if not len(facts) == len(categories) == len(tastes):
            lengths = [len(facts), len(categories), len(tastes)]
            raise FormError(f"facts, categories and tastes must be about the same items. Received: {lengths}")
        if categories.min(initial=0) < PADDING:
            raise FormError(f"categories: must be at least {PADDING}. Received: {categories.min()}")
        return cls(facts, categories, tastes, list(settings["half_lives"]), int(settings["longest"]))
