"""One scorer on one set of queries: ranks once, every metric from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset.query import Longs, Queries
from evaluation import metrics, protocol
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

    @property
    def head(self) -> npt.NDArray[np.bool_]:
        """[num_items] the most popular items."""
        return head_items(self.counts, self.catalogue, self.head_share)

    def slices(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Slice name -> [n] its queries."""
        return slices(self.queries, self.catalogue, self.head, cold_history=self.cold_history)

    def take(self, scorer: Scorer) -> Ranking:
        """Ranks the catalogue for every query."""
        return protocol.rank(scorer, self.queries, self.catalogue, k=max(self.cutoffs), chunk_size=self.chunk_size)

    def per_query(self, ranking: Ranking) -> dict[str, metrics.Values]:
        """Metric name -> [n] values."""
        return metrics.accuracy(ranking.rank, self.cutoffs) | metrics.beyond_accuracy(
            ranking.lists, self.counts, self.head, self.cutoffs
        )

    def coverage(self, ranking: Ranking) -> dict[str, float]:
        """`coverage_at_k` -> share of the catalogue that is ever listed."""
        return {f"coverage_at_{k}": metrics.coverage(ranking.lists, self.catalogue, k) for k in self.cutoffs}
