"""A history's weights through a narrow middle and back: the deterministic pass of a variational autoencoder.

    x(h)        = w / |w|,        w_i = .5^(age_i / half_life) for i in h
    mean        = tanh(x A + a) M + m
    score(h, j) = tanh(mean B + b) . v_j + bias_j

Liang et al. 2018, "Variational autoencoders for collaborative filtering" (WWW, arXiv 1802.05814): served is the mean of
the posterior, so nothing is drawn and the part that says how sure it is stays behind.
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
LAYERS: Final = ("read_bias", "mean", "mean_bias", "back", "back_bias", "bias")


@dataclass(frozen=True)
class Autoencoder:
    """Weights of encoder and decoder; h is the width of their hidden layers, d that of the middle."""

    KIND: ClassVar[str] = "autoencoder"

    read: Table
    """A, [items, h]"""
    read_bias: Floats
    """a, [h]"""
    mean: Floats
    """M, [h, d]"""
    mean_bias: Floats
    """m, [d]"""
    back: Floats
    """B, [d, h]"""
    back_bias: Floats
    """b, [h]"""
    vectors: Table
    """v, [items, h]"""
    bias: Floats
    """[items]"""
    half_life: float
    """Positions after which an item of the history counts half; infinite for no fading."""
    longest: int
    """Positions of a history that are read."""
    _read: Floats = field(init=False, repr=False, compare=False)
    _vectors: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_read", self.read.wide())
        object.__setattr__(self, "_vectors", self.vectors.wide())

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        scores = self.query_vectors(queries) @ self._vectors.T
        scores += self.bias
        return scores

    def query_vectors(self, queries: Queries) -> Floats:
        """[n, h]."""
        history = faded(queries, half_life=self.half_life, longest=self.longest, items=len(self.bias))
        length = np.sqrt(np.asarray(history.multiply(history).sum(axis=1)))[:, None].astype(np.float32)
        summed: Floats = history @ self._read
        hidden = np.tanh(np.divide(summed, length, out=np.zeros_like(summed), where=length > 0) + self.read_bias)
        vectors: Floats = np.tanh((hidden @ self.mean + self.mean_bias) @ self.back + self.back_bias)
        return vectors

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        tables = self.read.arrays(READ) | self.vectors.arrays(VECTORS)
        return tables | {name: getattr(self, name) for name in LAYERS}

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {"half_life": half_life_kept(self.half_life), "longest": self.longest}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Autoencoder":
        """The inverse of `arrays` and `settings`.

        Raises:
            scoring.forms.FormError: an array is missing, not finite or does not fit the others.
        """
        read, vectors = Table.of(arrays, READ), Table.of(arrays, VECTORS)
        layers = {name: required(arrays, name, ndim=1 if name.endswith("bias") else 2) for name in LAYERS}
        items, hidden = read.values.shape
        middle = len(layers["mean_bias"])
        expected = {
            "read_bias": (hidden,),
            "mean": (hidden, middle),
            "back": (middle, hidden),
            "back_bias": (hidden,),
            "bias": (items,),
        }
        shapes = {name: layers[name].shape for name in expected} | {VECTORS: vectors.values.shape}
        for name, shape in (expected | {VECTORS: (items, hidden)}).items():
            if shapes[name] != shape:
                raise FormError(f"{name}: shape must be {shape}. Received: {shapes[name]}")
        return cls(
            read=read,
            vectors=vectors,
            **layers,
            half_life=half_life_read(settings["half_life"]),
            longest=int(settings["longest"]),
        )
