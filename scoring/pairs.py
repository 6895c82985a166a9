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
from scipy import sparse

from dataset.query import CONTEXT, Floats, Ints, Longs, Queries
from dataset.vocabulary import PADDING
from scoring.blend import standardized
from scoring.forms import FormError, faded, required

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
    _membership: sparse.csr_array = field(init=False, repr=False, compare=False)
    """[items, categories] each row of length 1, or zeros."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_membership", _membership(self.categories))

    def width(self, parts: int) -> int:
        """Numbers of a pair where retrieval has so many parts."""
        facts: int = self.facts.shape[1]
        return len(RETRIEVAL) + parts + facts + len(self.half_lives) * (facts + len(SIMILARITIES)) + len(CONTEXT)

    def numbers(self, queries: Queries, candidates: Longs, scores: Floats, parts: Sequence[Floats]) -> Floats:
        """[n, c, width] of each query with each of its candidates.

        Args:
            queries: n queries.
            candidates: [n, c] item indices, best first.
            scores: [n, items] of the retrieval.
            parts: [n, items] each, of the retrieval's parts.
        """
        rows = np.arange(len(queries))[:, None]
        score = standardized(scores)[rows, candidates]
        place = np.log1p(np.arange(candidates.shape[1])) / np.log1p(candidates.shape[1])
        columns = [score, score - score[:, :1], np.broadcast_to(place, score.shape)]
        columns += [standardized(part)[rows, candidates] for part in parts]
        facts = self.facts[candidates]
        columns += list(np.moveaxis(facts, -1, 0))
        for half_life in self.half_lives:
            columns += self._against(self.summary(queries, half_life), candidates, facts)
        columns += [np.broadcast_to(column[:, None], score.shape) for column in queries.context().T]
        return np.stack(columns, axis=-1).astype(np.float32)

    def summary(self, queries: Queries, half_life: float) -> sparse.csr_array:
        """[n, items] weights of the fading history; each row sums to 1, or is empty."""
        weights = faded(queries, half_life=half_life, longest=self.longest, items=len(self.facts))
        filled = np.flatnonzero(np.diff(weights.indptr))
        total = np.add.reduceat(weights.data, weights.indptr[filled]) if len(filled) else weights.data
        weights.data *= np.repeat(1 / total, np.diff(weights.indptr)[filled])
        return weights

    def _against(self, summary: sparse.csr_array, candidates: Longs, facts: Floats) -> list[Floats]:
        """[n, c] each: distance in each fact, both cosines; zeros without a history."""
        known = np.diff(summary.indptr)[:, None, None] > 0
        distance = np.abs((summary @ self.facts)[:, None] - facts) * known
        shared = (summary @ self._membership).toarray()
        of_candidates = shared[np.arange(len(candidates))[:, None, None], self.categories[candidates]]
        count = np.maximum((self.categories[candidates] != PADDING).sum(axis=-1), 1)
        tastes = np.einsum("nd,ncd->nc", summary @ self.tastes, self.tastes[candidates])
        return [*np.moveaxis(distance, -1, 0), of_candidates.sum(axis=-1) / np.sqrt(count), tastes]

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


def _membership(categories: Ints) -> sparse.csr_array:
    row, column = np.nonzero(categories != PADDING)
    count = np.bincount(row, minlength=len(categories))
    weight = (1.0 / np.sqrt(count[row])).astype(np.float32)
    shape = (len(categories), int(categories.max(initial=PADDING)) + 1)
    return sparse.coo_array((weight, (row, categories[row, column])), shape).tocsr()
