"""What variants of a model are worth on validation: all that the tournament's rule knows of quality, kept on disk.

A variants folder has it as validation.npz: `user` [n], and of each variant its NDCG@10 [n] of every validation query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

import durable
from evaluation.metrics import Values
from evaluation.significance import Bootstrap, Interval
from models.variants import CONTROL, PARENT

FILE: Final = "validation.npz"
USER: Final = "user"


@dataclass(frozen=True)
class Validated:
    """NDCG@10 of n queries by variant."""

    user: npt.NDArray[np.integer]
    """[n], whose queries they are."""
    values: Mapping[str, Values]
    """Variant -> [n]; the float model is among them, and the control where something was trained on."""

    def change(self, name: str, bootstrap: Bootstrap) -> Interval:
        """Of a variant relative to the float model, paired by query."""
        return self._change(name, PARENT, bootstrap)

    def worst_low(self, name: str, bootstrap: Bootstrap, *, trained_on: bool) -> float:
        """Lower bound of that; of what was `trained_on` also against the control, and the lower one of both."""
        references = (PARENT, CONTROL) if trained_on else (PARENT,)
        return min(self._change(name, reference, bootstrap).low for reference in references)

    def write(self, folder: Path) -> None:
        """Writes validation.npz."""
        durable.write_arrays(folder / FILE, {USER: self.user, **self.values})

    @classmethod
    def read(cls, folder: Path) -> "Validated":
        """Reads validation.npz."""
        with np.load(folder / FILE, allow_pickle=False) as arrays:
            return cls(arrays[USER], {name: arrays[name] for name in arrays if name != USER})

    def _change(self, name: str, reference: str, bootstrap: Bootstrap) -> Interval:
        return bootstrap.relative(self.values[name], self.values[reference], self.user)
