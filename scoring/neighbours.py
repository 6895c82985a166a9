"""Item to item: a history's items vote for others, the newest ones loudest.

    score(h, j) = sum over i in h of .5^(age_i / half_life) weights[i, j] + bias[j]

Item-kNN, EASE and every other linear item-item model are this with weights of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset.query import Floats, Queries
from scoring.forms import FormError, csr, csr_arrays, faded, half_life_kept, half_life_read, required


@dataclass(frozen=True)
class Neighbours:
    """Weights between items, dense or sparse, and how fast a history fades."""

    KIND: ClassVar[str] = "neighbours"

    weights: npt.NDArray[Any] | sparse.csr_array
    """[items, items], from an item of the history (row) to a candidate (column); float32, or dense int8."""
    bias: Floats
    """[items] what a candidate scores without any history."""
    half_life: float
    """Positions after which an item of the history counts half; infinite for no fading."""
    longest: int
    """Positions of a history that are read."""
    scales: Floats | None = None
    """[items] when the weights are int8: row i stands for `weights[i] * scales[i]`."""
    _table: Floats | sparse.csr_array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # numpy's integer product does not call BLAS, so int8 rows are widened once, at load.
        wide = self.weights if self.scales is None else self.weights.astype(np.float32) * self.scales[:, None]
        # scipy's sparse product reads rows: given columns (which EASE's inverse has) it copies the table at every call.
        object.__setattr__(self, "_table", wide if sparse.issparse(wide) else np.ascontiguousarray(wide))

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        items = self.weights.shape[0]
        history = faded(queries, half_life=self.half_life, longest=self.longest, items=items, distinct=True)
        voted = history @ self._table
        scores: Floats = voted.toarray() if sparse.issparse(voted) else voted
        scores += self.bias
        return scores

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        dense = isinstance(self.weights, np.ndarray)
        arrays = {"weights": self.weights} if dense else csr_arrays("weights", self.weights)
        arrays["bias"] = self.bias
        return arrays if self.scales is None else arrays | {"scales": self.scales}

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {"half_life": half_life_kept(self.half_life), "longest": self.longest}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Neighbours":
        """The inverse of `arrays` and `settings`.

        Raises:
            scoring.forms.FormError: weights or bias are missing, not finite or do not fit each other.
        """
        scales = required(arrays, "scales", ndim=1) if "scales" in arrays else None
        kind = "f" if scales is None else "i"
        weights = required(arrays, "weights", ndim=2, kinds=kind) if "weights" in arrays else csr(arrays, "weights")
        bias = required(arrays, "bias", ndim=1)
        if weights.shape != (len(bias), len(bias)):
            raise FormError(f"weights: shape must be {(len(bias), len(bias))}. Received: {weights.shape}")
        if scales is not None and scales.shape != bias.shape:
            raise FormError(f"scales: shape must be {bias.shape}. Received: {scales.shape}")
        half_life = half_life_read(settings["half_life"])
        return cls(weights, bias, half_life, int(settings["longest"]), scales)
