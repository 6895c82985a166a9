"""A neural query tower by LiteRT and a table of item vectors: one forward pass, one matrix product. No TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Queries
from scoring.forms import FormError
from scoring.network import Network
from scoring.tables import Table, columns

FLATBUFFER: Final = "query_tower.tflite"
VECTORS: Final = "item_vectors"


@dataclass(frozen=True)
class Tower:
    """Safe to call from several threads."""

    KIND: ClassVar[str] = "tower"

    flatbuffer: npt.NDArray[np.uint8]
    """LiteRT model; reads some of `Queries.inputs` by name and gives [n, d]."""
    vectors: Table
    """[items, d]"""
    history_length: int
    threads: int = 1
    """Of the query tower."""
    _network: Network = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_network", Network(self.flatbuffer, FLATBUFFER, threads=self.threads))

    def scores(self, queries: Queries) -> Floats:
        """[n, items] the queries' vectors times the items'."""
        scores: Floats = self.query_vectors(queries) @ self._columns
        return scores

    @property
    def item_vectors(self) -> Floats:
        """[items, d] what the queries' vectors are multiplied with; made when it is first asked for."""
        return self._columns.T

    def query_vectors(self, queries: Queries) -> Floats:
        """[n, d]."""
        return self._network.run(queries.inputs(self.history_length, self._network.inputs))

    @cached_property
    def _columns(self) -> Floats:
        return columns(self.vectors.wide())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        return {FLATBUFFER: self.flatbuffer} | self.vectors.arrays(VECTORS)

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {"history_length": self.history_length}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Tower":
        """The inverse of `arrays` and `settings`.

        Raises:
            scoring.forms.FormError: an array is missing, of a wrong type or shape, or not finite.
        """
        if FLATBUFFER not in arrays:
            raise FormError(f"{FLATBUFFER}: a tower must have it")
        return cls(arrays[FLATBUFFER], Table.of(arrays, VECTORS), int(settings["history_length"]))
