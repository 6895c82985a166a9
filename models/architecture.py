"""The shapes of the retrieval models: all that is needed, beside the weights, to build one again."""

from pathlib import Path
from typing import Literal

import msgspec

import durable


class Augment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shares by which training windows are changed, see `dataset.augmentation`."""

    crop: float
    mask: float
    reorder: float


class Architecture(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="kind",
    tag="two-tower",
):
    """Sizes and constants of the two towers."""

    num_items: int
    """Length of the item vocabulary, the two reserved entries included."""
    num_categories: int
    """Length of the category vocabulary, the two reserved entries included."""
    categories_per_item: int
    popularity_windows: int
    history_length: int
    embedding_dim: int
    hidden_units: list[int]
    half_lives: list[float]
    """Positions after which an interaction counts half, one for each pooled view of the history."""
    dropout: float
    temperature: float
    dense: int = 0
    """Width of the items' dense features. Without any, neither the file nor the model knows of them."""

    @property
    def candidate_inputs(self) -> tuple[str, ...]:
        """Names of what the candidate tower reads, see `dataset.batches.CandidateFeatures`."""
        return ("item", "categories", "year", "popularity", *(("dense",) if self.dense else ()))


class SequenceArchitecture(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="kind",
    tag="sequence",
):
    """Sizes and constants of a model that reads the history event by event."""

    num_items: int
    """Length of the item vocabulary, the two reserved entries included."""
    num_categories: int
    """Length of the category vocabulary, the two reserved entries included."""
    categories_per_item: int
    trends: int
    """Popularity windows that the query weighs by itself; 0 for none."""
    history_length: int
    """Events of a window, and of a history when it is served."""
    stride: int
    """Events of a training window that queries are answered from; the rest, up to `history_length`, is context."""
    embedding_dim: int
    encoder: Literal["transformer", "gru", "lstm"]
    blocks: int
    half_lives: list[float]
    """Distances in positions at which an event counts half for each attention head, at first."""
    forward_factor: int
    """Width of a block's hidden layer, in embedding widths."""
    head_units: int
    dropout: float
    id_dropout: float
    """Share of item ids that the candidate tower does not see in a step, so that content learns to do without."""
    content: bool
    """Whether candidates have categories and year beside their id."""
    timed: bool
    """Whether attention fades with time gaps, beside positions."""
    temperature: float
    """0 leaves vectors at their own length."""
    negatives: int
    """Items of the sampled softmax; 0 is the full softmax."""
    dense: int = 0
    """Width of the items' dense features, part of the content. Without any, neither the file nor the model knows of
    them."""
    augment: Augment | None = None
    """How training windows are changed; None leaves them as they are."""

    @property
    def candidate_inputs(self) -> tuple[str, ...]:
        """Names of what the candidate tower reads, see `dataset.batches.CandidateFeatures`."""
        return ("item", "categories", "year", *(("dense",) if self.dense else ()))


def write(architecture: "Architecture | SequenceArchitecture", path: Path) -> None:
    """Writes it as JSON."""
    durable.write_json(path, architecture)


def read(path: Path) -> "Architecture | SequenceArchitecture":
    """Reads what `write` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Architecture | SequenceArchitecture)
