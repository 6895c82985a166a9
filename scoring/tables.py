"""A table of vectors, one a row, in 32 bits or in 8 with a scale for each row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataset.query import Floats
from scoring.forms import FormError, required

SCALES = "scales"


@dataclass(frozen=True)
class Table:
    """As it is kept; `wide` is what is computed with."""

    values: npt.NDArray[Any]
    """[rows, d] float32 or int8."""
    scales: Floats | None = None
    """[rows] when the values are int8: row i stands for `values[i] * scales[i]`."""

    def wide(self) -> Floats:
        """[rows, d] float32: numpy's integer product does not call BLAS, so 8 bits are widened once, at load."""
        values: Floats = self.values.astype(np.float32)
        return values if self.scales is None else values * self.scales[:, None]

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """`<name>` and, of 8 bits, `<name>-scales`."""
        return {name: self.values} if self.scales is None else {name: self.values, f"{name}-{SCALES}": self.scales}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> "Table":
        """The inverse of `arrays`.

        Raises:
            scoring.forms.FormError: an array is missing, not finite, of a wrong type or shape.
        """
        own = f"{name}-{SCALES}"
        scales = required(arrays, own, ndim=1) if own in arrays else None
        values = required(arrays, name, ndim=2, kinds="f" if scales is None else "i")
        if scales is not None and len(scales) != len(values):
            raise FormError(f"{own}: shape must be {(len(values),)}. Received: {scales.shape}")
        return cls(values, scales)
