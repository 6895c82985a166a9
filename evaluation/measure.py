"""One scorer on one set of queries: ranks once, every metric from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset.query import Floats, Ints, Longs, Queries
from evaluation import calibration, lists, metrics, protocol, variety
from evaluation.content import Content, ContentError
from evaluation.protocol import Ranking, Scorer
from evaluation.slices import head_items, slices


@dataclass(frozen=True)
class Exam:
    """The questions and what is needed to mark the answers, the same for every scorer."""

    queries: Queries
    catalogue: npt.NDArray[np.bool_]
    """[num_items] candidates."""
    counts: Longs
    """[num_items] interactions before the freeze."""
    cutoffs: Sequence[int]
    head_share: float
    cold_history: int
    chunk_size: int
    content: Content | None = None
    """What the metrics and slices beyond accuracy need; without it there are none of them."""

    def __post_init__(self) -> None:
        if self.content is None:
            return
        users = len(self.queries.timelines.starts) - 1
        fits = [("items", len(self.content.categories), len(self.catalogue))]
        fits += [("users", len(labels), users) for labels in self.content.groups.values()]
        for what, told, asked in fits:
            if told != asked:
                raise ContentError(f"content must tell of the exam's {asked} {what}. Received: {told}")

    @cached_property
    def head(self) -> npt.NDArray[np.bool_]:
        """[num_items] the most popular items."""
        return head_items(self.counts, self.catalogue, self.head_share)

    def slices(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Slice name -> [n] its queries: the coarse slices, which the gate judges."""
        return slices(self.queries, self.catalogue, self.head, cold_history=self.cold_history)

    def fine_slices(self) -> dict[str, npt.NDArray[np.bool_]]:
        """`<kind>:<which>` -> [n] its queries, see `evaluation.slices`; none without content."""
        return {} if self.content is None else self.content.slices(self.queries, self.counts)

    def take(self, scorer: Scorer) -> Ranking:
        """Ranks the catalogue for every query."""
        return protocol.rank(scorer, self.queries, self.catalogue, k=max(self.cutoffs), chunk_size=self.chunk_size)

    def per_query(self, ranking: Ranking) -> dict[str, metrics.Values]:
        """Metric name -> [n] values, NaN where a query has no such value."""
        found = metrics.accuracy(ranking.rank, self.cutoffs)
        found |= lists.popularity(ranking.lists, self.counts, self.head, self.cutoffs)
        if self.content is not None:
            found |= lists.diversity(ranking.lists, self.content.directions, self.cutoffs)
            found |= lists.serendipity(ranking.rank, self.queries.target, self._obvious, self.cutoffs)
            found |= calibration.miscalibration(ranking.lists, self._tastes, self.content.weights, self.cutoffs)
        return found

    def of_all_lists(self, ranking: Ranking) -> dict[str, float]:
        """Metric name -> its value: coverage, Gini and personalization, which no single query has."""
        return variety.measures(ranking.lists, self.queries.user, self.catalogue, self.cutoffs)

    def coverage(self, ranking: Ranking) -> dict[str, float]:
        """`coverage_at_k` -> share of the catalogue that is ever listed."""
        return {f"coverage_at_{k}": variety.coverage(ranking.lists, self.catalogue, k) for k in self.cutoffs}

    @cached_property
    def _obvious(self) -> Ints:
        """[n, k] what anybody would have been shown: the most popular of late that they have not taken yet."""
        assert self.content is not None  # asked for with content alone
        recent = self.content.recent
        listed = self.take(_ForAll(recent)).lists
        return np.where(recent[listed] > 0, listed, -1)

    @cached_property
    def _tastes(self) -> sparse.csr_array:
        """[n, num_categories] the histories' mixes."""
        assert self.content is not None  # asked for with content alone
        return calibration.taste(self.queries, self.content.weights)


@dataclass(frozen=True)
class _ForAll:
    """The same scores for everybody."""

    counts: Longs

    def scores(self, queries: Queries) -> Floats:
        """[n, num_items]."""
        # float32 holds every whole number up to 2 ** 24; beyond that counts can only become level, not change places.
        return np.broadcast_to(self.counts.astype(np.float32), (len(queries), len(self.counts)))
