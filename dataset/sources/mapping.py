"""Which column of a file is which of ours, from the user's `prepare.columns`."""

from collections.abc import Iterable, Mapping
from typing import Final

from dataset.schema import INTERACTION_COLUMNS, ITEM, ITEM_COLUMNS, TIMESTAMP, USER
from dataset.sources.tables import SourceError

REQUIRED: Final = (USER, ITEM, TIMESTAMP)


def interactions(theirs: Mapping[str, str]) -> dict[str, str]:
    """The log's column name -> ours.

    Args:
        theirs: our name -> the log's own, empty where it has none.

    Raises:
        SourceError: user, item or timestamp has no column, or one column has two meanings.
    """
    for ours in REQUIRED:
        if not theirs[ours]:
            raise SourceError(f"prepare.columns.{ours}: must name a column of the log. Received: ''")
    return _inverted((theirs[ours], ours) for ours in INTERACTION_COLUMNS if theirs[ours])


def items(theirs: Mapping[str, str], numeric: tuple[str, ...]) -> dict[str, str]:
    """The item table's column name -> ours; `numeric` columns keep their names.

    Raises:
        SourceError: one column has two meanings, or a numeric column has a name of ours.
    """
    for name in numeric:
        if name in ITEM_COLUMNS:
            raise SourceError(f"prepare.columns.numeric: {name!r} is a name the platform uses; rename that column")
    named = [(theirs[ours], ours) for ours in ITEM_COLUMNS if theirs[ours]]
    return _inverted([*named, *((name, name) for name in numeric)])


def _inverted(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    names: dict[str, str] = {}
    for theirs, ours in pairs:
        if theirs in names:
            raise SourceError(f"prepare.columns: column {theirs!r} is mapped to both {names[theirs]} and {ours}")
        names[theirs] = ours
    return names
