"""How strong each interaction was, for models that predict this: the log's weights with user, item and part."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

import durable
from dataset.query import Floats, Ints
from dataset.split import TEST


@dataclass(frozen=True)
class Ratings:
    """n interactions in time order; none when a log's weights say nothing, being all the same."""

    user: Ints
    """[n] index of the user."""
    item: Ints
    """[n] item index, OOV included."""
    weight: Floats
    """[n]"""
    part: npt.NDArray[np.int8]
    """[n], see `dataset.split`."""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: slice | npt.NDArray[np.bool_]) -> "Ratings":
        return Ratings(self.user[rows], self.item[rows], self.weight[rows], self.part[rows])

    @property
    def fit(self) -> "Ratings":
        """What may be learned from before the test."""
        return self[self.part < TEST]

    @property
    def test(self) -> "Ratings":
        """What is to be predicted."""
        return self[self.part == TEST]

    def told(self) -> "Ratings":
        """Itself when weights differ among those that may be learned from, else no interactions."""
        return self if len(np.unique(self.fit.weight)) > 1 else self[:0]

    def write(self, path: Path) -> None:
        """Writes a plain .npz; the bytes depend on the contents alone."""
        durable.write_arrays(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, path: Path) -> "Ratings":
        """Reads what `write` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})
