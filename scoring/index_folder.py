"""What the stage `index` says of a model: index.json, and beside it, where search is not exact, `scoring.nearest`."""

from pathlib import Path
from typing import Final

import msgspec

from scoring.forms import FormError
from scoring.nearest import Nearest, Settings

RECORD: Final = "index.json"


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """index.json."""

    model: str
    variant: str
    """Whose item vectors they are."""
    digest: str | None = None
    """Of the variant's folder; null in what was written before it was noted."""
    exact: bool
    """Whether all items are multiplied, so that there is nothing but this file."""
    why: str
    """Reason for being exact or not."""
    items: int
    """Length of the item vocabulary."""
    dimensions: int | None = None
    """Of the vectors; null where the form has none."""
    recall_at_10: float | None = None
    """Of the exact ten best, on validation queries; null where the index is exact."""
    bytes: int | None = None
    """Of the index's files."""
    settings: Settings | None = None
    """Of an approximate index."""


def read(folder: Path) -> tuple[Record, Nearest | None]:
    """The record, and the index, memory-mapped; None where the search is exact.

    Raises:
        FormError: a file is missing, unreadable, or does not fit the others.
    """
    path = folder / RECORD
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError) as error:
        raise FormError(f"{path}: cannot be read: {error}") from error
    if record.exact:
        return record, None
    nearest = Nearest.read(folder)
    if len(nearest) != record.items:
        raise FormError(f"{path}: the index must have {record.items} items. Received: {len(nearest)}")
    return record, nearest
