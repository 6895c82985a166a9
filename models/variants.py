"""What is known of the variants of a float model, and the rule that picks one. No TensorFlow.

A model's variants folder holds variants.json, `final/<variant>/` for each variant, and `selection/<chosen>/`: the
chosen one as it was before validation, for whatever is still to be chosen on validation. What the rule went by is in
validation.npz, see `tasks.validated`.
"""

from pathlib import Path
from typing import Final

import msgspec

PARENT: Final = "float32"
"""The float model as it was trained; every loss is measured against it."""
UNTRAINED: Final = "untrained"
"""The way to train on that does nothing."""
CONTROL: Final = "control"
"""Trained on without being compressed, to tell pruning from the extra epochs; never chosen."""


class NotCompressedError(ValueError):
    """A contestant claims to be smaller or sparser and is not."""


class UnfinishedError(ValueError):
    """A folder has no tournament's outcome, or one that cannot be read."""


class Variant(msgspec.Struct, frozen=True):
    """What is known of a variant without the test."""

    name: str
    trained_on: bool
    """Whether it had more epochs than the float model."""
    sparsity: float
    """Share of zeros in the query tower's Dense kernels, 0..1."""
    size_bytes: int
    """Its form on disk: query tower and item table, or a baseline's weights."""
    gzip_bytes: int
    validation_ndcg_at_10: float
    top_10_overlap: float
    """Share of the float model's ten best on validation that are among its own, 0..1."""
    change: float
    """(variant - float) / float on validation."""
    change_low: float
    change_high: float
    """Bounds of its paired interval."""
    within_margin: bool
    """Whether its interval stays within the margin; of what was trained on, also that against the control."""
    extra_epochs: int = 0
    """That it was trained for beside the float model's own; what training costs, as far as each run tells the same."""
    extra_examples: int = 0
    """That it saw, steps times batch: queries, or windows of a sequence model, a last batch as a whole one."""


class Upon(msgspec.Struct, frozen=True):
    """What a model that stands upon another one adds to it, on validation queries that it did not learn from.

    Nor did the other one, unless that is a blend or a switch: their few weights have, which makes them look rather too
    good than too bad.
    """

    model: str
    """Which one it stands upon."""
    queries: int
    change: float
    """(chosen variant - the other model's chosen variant) / the latter, of NDCG@10."""
    change_low: float
    change_high: float
    """Bounds of its paired interval."""

    @property
    def gains(self) -> bool:
        """Whether the whole interval shows a gain."""
        return self.change_low > 0


class Variants(msgspec.Struct, frozen=True):
    """The tournament's outcome."""

    model: str
    """Whose variants they are."""
    chosen: str
    uncompressed_bytes: int
    """What sizes are compared with: a neural model with its index as a float TensorFlow SavedModel, of a blend the sum
    of its parts', of any other the float form."""
    measured: list[Variant]
    upon: Upon | None = None
    """Of a second stage: measured on a part of validation alone, as are its variants."""

    @classmethod
    def read(cls, folder: Path) -> "Variants":
        """Reads variants.json of a variants folder.

        Raises:
            UnfinishedError: it is not there, or of another kind.
        """
        path = folder / "variants.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as error:
            raise UnfinishedError(f"{path}: cannot be read: {error}. Run `dvc repro`") from error

    @property
    def winner(self) -> Variant:
        """The chosen variant."""
        return self._named(self.chosen)

    @property
    def parent(self) -> Variant:
        """The float variant."""
        return self._named(PARENT)

    def _named(self, name: str) -> Variant:
        return next(variant for variant in self.measured if variant.name == name)

    @property
    def times_smaller(self) -> float:
        """How many times the winner fits into what it is compared with."""
        return self.uncompressed_bytes / self.winner.size_bytes


def choose(measured: list[Variant], *, min_saving: float) -> str:
    """The smallest gzipped variant within the margin; the float model itself is always within. The control is none.

    Training on has a luck of its own that an interval over users does not see, so a variant that was trained on has to
    save at least `min_saving` (0..1) of the bytes of the best one that was not.
    """
    allowed = [variant for variant in measured if variant.name != CONTROL and variant.within_margin]
    smallest = sorted(allowed, key=lambda variant: (variant.gzip_bytes, variant.name))
    as_trained = next(variant for variant in smallest if not variant.trained_on)
    most = (1 - min_saving) * as_trained.gzip_bytes
    return next((variant for variant in smallest if variant.trained_on and variant.gzip_bytes <= most), as_trained).name
