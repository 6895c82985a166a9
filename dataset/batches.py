"""Arrays a model is trained on, and the items' features at one moment. Numpy only; shapes fixed here."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset.features import ItemFeatures
from dataset.query import Floats, Ints, Queries


@dataclass(frozen=True)
class CandidateFeatures:
    """What the candidate tower reads, for n items."""

    item: Ints
    """[n]: item index."""
    categories: Ints
    """[n, c]: category indices, filled up with padding."""
    year: Floats
    """[n, 1]: scaled year, 0 when unknown."""
    popularity: Floats
    """[n, w]: popularity in each window before the moment."""
    dense: Floats
    """[n, d]: numbers and texts; d is 0 where items have neither."""

    @classmethod
    def of(cls, features: ItemFeatures, items: Ints, times: npt.NDArray[np.int64]) -> "CandidateFeatures":
        """Features of `items` [n] as they were known at `times` [n]: nothing at or after that moment counts."""
        return cls(
            item=items,
            categories=features.categories[items],
            year=features.year[items][:, None],
            popularity=features.popularity[features.snapshot(times), items],
            dense=features.dense[items],
        )

    @classmethod
    def catalogue(cls, features: ItemFeatures, time: int) -> "CandidateFeatures":
        """Features of every item of the vocabulary, in index order, at one moment."""
        items = np.arange(len(features.year), dtype=np.int32)
        return cls.of(features, items, np.full(len(items), time, np.int64))

    def inputs(self) -> dict[str, npt.NDArray[np.generic]]:
        """The candidate tower's inputs by name; dense ones only where there are some."""
        names = ("item", "categories", "year", "popularity", *(("dense",) if self.dense.shape[1] else ()))
        return {name: getattr(self, name) for name in names}


def examples(queries: Queries, features: ItemFeatures, history_length: int) -> dict[str, npt.NDArray[np.generic]]:
    """Training arrays, one row for each query whose target is in the vocabulary.

    Returns:
        history int32 [n, history_length], context float32 [n, 4], the target's candidate features (`CandidateFeatures`)
        at the query's moment, and probability float32 [n]: the target's share of all targets, which is how often it
        turns up as an in-batch negative (for the logQ correction).
    """
    queries = queries[queries.known()]
    share = np.bincount(queries.target, minlength=len(features.year)) / max(len(queries), 1)
    return {
        "history": queries.history(history_length),
        "context": queries.context(),
        **CandidateFeatures.of(features, queries.target, queries.time).inputs(),
        "probability": share[queries.target].astype(np.float32),
    }
