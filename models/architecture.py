"""The shape of the retrieval model: all that is needed, beside the weights, to build it again."""

from pathlib import Path

import msgspec

import durable


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
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

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        durable.write_json(path, self)

    @classmethod
    def read(cls, path: Path) -> "Architecture":
        """Reads what `write` wrote."""
        return msgspec.json.decode(path.read_bytes(), type=cls)
