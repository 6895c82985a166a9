"""A neural model whose towers share one table of item ids, and that is kept once. No TensorFlow.

    query     = encoder(e(history), ...)                    LiteRT, for each query
    candidate = [candidate tower(e(item), content) ; trends]       LiteRT, for all items, once
    score     = query . candidate

A query tower with its embedding inside, beside a table of finished item vectors, holds the same numbers twice. Tied
embeddings: Press and Wolf 2017 (arXiv 1608.05859).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Queries
from scoring.forms import FormError, required
from scoring.network import Network
from scoring.tables import KINDS, Kept, columns

ENCODER: Final = "encoder.tflite"
CANDIDATE: Final = "candidate_tower.tflite"
EMBEDDING: Final = "embedding"
EMBEDDED: Final = "embedded"
"""Input of both networks: rows of the embedding."""
FEATURES: Final = "item-"
POPULARITY: Final = "popularity"


@dataclass(frozen=True)
class Tied:
    """Safe to call from several threads."""

    KIND: ClassVar[str] = "tied"

    encoder: npt.NDArray[np.uint8]
    """LiteRT model: `embedded` [n, L, d] and some of `Queries.inputs` to [n, d + trends]."""
    candidate: npt.NDArray[np.uint8]
    """LiteRT model: `embedded` [items, d] and some of `features` to [items, d]."""
    embedding: Kept
    """[items, d] of item ids."""
    features: Mapping[str, npt.NDArray[Any]]
    """[items, ...] what is known of the items, by name, in whatever width holds it."""
    trends: int
    """Windows of the items' popularity that stand in an item's vector as they are."""
    history_length: int
    _encoder: Network = field(init=False, repr=False, compare=False)
    _embedding: Floats = field(init=False, repr=False, compare=False)
    _candidate: Network = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        embedding, candidate = self.embedding.wide(), Network(self.candidate, CANDIDATE)
        missing = candidate.inputs - {*self.features, EMBEDDED}
        if missing or any(len(values) != len(embedding) for values in self.features.values()):
            raise FormError(f"{CANDIDATE}: must find {sorted(candidate.inputs)} of {len(embedding)} items")
        object.__setattr__(self, "_encoder", Network(self.encoder, ENCODER))
        object.__setattr__(self, "_candidate", candidate)
        object.__setattr__(self, "_embedding", embedding)

    def scores(self, queries: Queries) -> Floats:
        """[n, items] the queries' vectors times the items'."""
        scores: Floats = self.query_vectors(queries) @ self._columns
        return scores

    @property
    def item_vectors(self) -> Floats:
        """[items, d + trends] what the queries' vectors are multiplied with; made when it is first asked for."""
        return self._columns.T

    def query_vectors(self, queries: Queries) -> Floats:
        """[n, d + trends]."""
        inputs = queries.inputs(self.history_length, self._encoder.inputs | {"history"})
        return self._encoder.run(inputs | {EMBEDDED: self._embedding[inputs["history"]]})

    @cached_property
    def _columns(self) -> Floats:
        given = {name: _wide(values) for name, values in self.features.items()} | {EMBEDDED: self._embedding}
        vectors = self._candidate.run(given)
        if self.trends:
            vectors = np.concatenate([vectors, given[POPULARITY][:, : self.trends]], axis=1)
        return columns(vectors)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        kept = {ENCODER: self.encoder, CANDIDATE: self.candidate} | self.embedding.arrays(EMBEDDING)
        return kept | {f"{FEATURES}{name}": values for name, values in self.features.items()}

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {"history_length": self.history_length, "trends": self.trends, "embedding": self.embedding.KIND}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Tied":
        """The inverse of `arrays` and `settings`.

        Raises:
            scoring.forms.FormError: an array is missing, of a wrong type or shape, or not finite.
        """
        kind = settings["embedding"]
        if kind not in KINDS:
            raise FormError(f"{EMBEDDING}: kind must be one of {sorted(KINDS)}. Received: {kind!r}")
        encoder, candidate = (required(arrays, name, ndim=1, kinds="u") for name in (ENCODER, CANDIDATE))
        features = {
            name.removeprefix(FEATURES): required(arrays, name, ndim=2, kinds="fiu")
            for name in arrays
            if name.startswith(FEATURES)
        }
        embedding = KINDS[kind].of(arrays, EMBEDDING)
        return cls(encoder, candidate, embedding, features, int(settings["trends"]), int(settings["history_length"]))


def _wide(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As the candidate tower reads it."""
    return values.astype(np.float32 if values.dtype.kind == "f" else np.int32)
