"""What is known of the variants of a float model, and the rule that picks one. No TensorFlow."""

from pathlib import Path
from typing import Final

import msgspec

PARENT: Final = "float32"
"""The float model as it was trained; every loss is measured against it."""
CONTROL: Final = "control"
"""Trained on without being compressed, to tell pruning from the extra epochs; never chosen."""


class Variant(msgspec.Struct, frozen=True):
    """What is known of a variant without the test."""

    name: str
    sparsity: float
    """Share of zeros in the query tower's Dense kernels, 0..1."""
    size_bytes: int
    """Query tower and item table on disk."""
    gzip_bytes: int
    validation_ndcg_at_10: float
    change: float
    """(variant - float) / float on validation."""
    change_low: float
    change_high: float
    """Bounds of its paired interval."""
    within_margin: bool
    """Whether its interval stays within the margin; of what was trained on, also that against the control."""


class Variants(msgspec.Struct, frozen=True):
    """The tournament's outcome."""

    chosen: str
    savedmodel_bytes: int
    """The float model with its index as a TensorFlow SavedModel."""
    measured: list[Variant]

    @classmethod
    def read(cls, folder: Path) -> "Variants":
        """Reads variants.json of a variants folder."""
        return msgspec.json.decode((folder / "variants.json").read_bytes(), type=cls)

    @property
    def winner(self) -> Variant:
        """The chosen variant."""
        return next(variant for variant in self.measured if variant.name == self.chosen)

    @property
    def times_smaller(self) -> float:
        """How many times the winner fits into the float SavedModel."""
        return self.savedmodel_bytes / self.winner.size_bytes


def choose(measured: list[Variant]) -> str:
    """The smallest gzipped variant within the margin; the float model itself is always within. The control is none."""
    allowed = [variant for variant in measured if variant.name != CONTROL and variant.within_margin]
    return min(allowed, key=lambda variant: (variant.gzip_bytes, variant.name)).name
