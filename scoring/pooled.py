"""A history's vectors, the newest ones loudest, against the candidates': a mean, a matrix product and a bias.

    score(h, j) = q(h) . b_j + bias_j
    q(h)        = sum over i in h of w_i a_i / sum of w_i,        w_i = .5^(age_i / half_life)

Content-based profiles and factorization machines are this with vectors of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Queries
from scoring.forms import FormError, faded, half_life_kept, half_life_read, required
from scoring.tables import Table

READ: Final = "read"
VECTORS: Final = "vectors"
BIAS: Final = "bias"


@dataclass(frozen=True)
class Pooled:
    """Vectors of what is read and of what is scored, and how fast a history fades."""

    KIND: ClassVar[str] = "pooled"

    vectors: Table
    """[items, d] of the candidates."""
    read: Table | None
    """[items, d] of the items of a history; None when they are the candidates'."""
    bias: Floats
    """[items] what a candidate scores without any history."""
    half_life: float
    """Positions after which an item of the history counts half; infinite for no fading."""
    longest: int
    """Positions of a history that are read."""
    _read: Floats = field(init=False, repr=False, compare=False)
    _vectors: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        vectors = self.vectors.wide()
        object.__setattr__(self, "_vectors", vectors)
        object.__setattr__(self, "_read", vectors if self.read is None else self.read.wide())

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        scores = self.query_vectors(queries) @ self._vectors.T
        scores += self.bias
        return scores

    def query_vectors(self, queries: Queries) -> Floats:
        """[n, d], zeros where there is no history."""
        history = faded(queries, half_life=self.half_life, longest=self.longest, items=len(self.bias))
        total = np.asarray(history.sum(axis=1), np.float32)[:, None]
        pooled: Floats = history @ self._read
        return np.divide(pooled, total, out=np.zeros_like(pooled), where=total > 0)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        kept = self.vectors.arrays(VECTORS) | {BIAS: self.bias}
        return kept if self.read is None else kept | self.read.arrays(READ)

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {"half_life": half_life_kept(self.half_life), "longest": self.longest}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Pooled":
        """The inverse of `arrays` and `settings`.

        Raises:
            scoring.forms.FormError: vectors or bias are missing, not finite or do not fit each other.
        """
        vectors, bias = Table.of(arrays, VECTORS), required(arrays, BIAS, ndim=1)
        read = Table.of(arrays, READ) if READ in arrays else None
        if len(vectors.values) != len(bias):
            raise FormError(f"{VECTORS}: must have {len(bias)} rows. Received: {len(vectors.values)}")
        if read is not None and read.values.shape != vectors.values.shape:
            raise FormError(f"{READ}: shape must be {vectors.values.shape}. Received: {read.values.shape}")
        half_life = half_life_read(settings["half_life"])
        return cls(vectors, read, bias, half_life, int(settings["longest"]))
