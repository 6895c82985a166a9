"""Raw tables: what a source holds, as text, under our column names, each record with the place it came from.

A source's `read` maps its own names onto those of `dataset.schema` and changes nothing else: values stay text, so that
`dataset.checks` sees what the file really says and can name file and row of whatever is wrong with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

DEFECT_COLUMNS: Final = ("file", "row", "column", "rule", "value")
VALUE_LENGTH: Final = 200
"""Characters of a bad value that are shown."""


class SourceError(ValueError):
    """A source cannot be fetched or read at all; the message names file and rule."""


@dataclass(frozen=True)
class RawTable:
    """One table of a source, possibly from several files, in file order."""

    columns: pa.Table
    """Text columns (null where the file has none), under our names."""
    files: tuple[str, ...]
    """Names of the files, relative to the raw folder."""
    file: npt.NDArray[np.int32]
    """[rows] index into `files`."""
    row: npt.NDArray[np.int64]
    """[rows] record number in its file, from 1; a header counts as record 1."""
    defects: pd.DataFrame
    """Records that could not be read, with `DEFECT_COLUMNS`; they are not in `columns`."""
    headings: Mapping[str, str]
    """Our name of each column -> what the files call it, for messages."""
    ignored: tuple[str, ...]
    """Columns of the files that nothing maps: not read, reported in the summary."""
    notes: tuple[str, ...]
    """Harmless oddities that were met and handled, such as a byte order mark; reported in the summary."""


@dataclass(frozen=True)
class Tables:
    """All a source has to say."""

    interactions: RawTable
    items: RawTable | None
    users: RawTable | None
    category_separator: str
    """What stands between two categories of an item."""


def defects(rows: Sequence[tuple[str, int, str, str, str]]) -> pd.DataFrame:
    """A table with `DEFECT_COLUMNS` from (file, row, column, rule, value) tuples."""
    return pd.DataFrame(list(rows), columns=list(DEFECT_COLUMNS), dtype=object).astype({"row": np.int64})


def require(path: Path, present: Sequence[str], names: Mapping[str, str]) -> None:
    """Stops when a file lacks one of the columns `names` (theirs -> ours).

    Raises:
        SourceError: names the column.
    """
    for theirs, ours in names.items():
        if theirs not in present:
            raise SourceError(
                f"{path}: row 1: column {theirs!r} is missing; it is to be read as {ours!r}. "
                f"Received columns: {list(present)}"
            )


def rename(table: RawTable, names: Mapping[str, str]) -> RawTable:
    """The same table with columns renamed by `names` (theirs -> ours)."""
    columns = table.columns.rename_columns([names[name] for name in table.columns.column_names])
    return replace(table, columns=columns, headings={ours: theirs for theirs, ours in names.items()})


def concatenate(tables: Sequence[RawTable]) -> RawTable:
    """One table after the other; all must have the same columns."""
    offsets = np.cumsum([0, *(len(table.files) for table in tables[:-1])])
    file = [table.file + start for table, start in zip(tables, offsets, strict=True)]
    return RawTable(
        columns=pa.concat_tables([table.columns for table in tables]),
        files=tuple(name for table in tables for name in table.files),
        file=np.concatenate(file).astype(np.int32),
        row=np.concatenate([table.row for table in tables]),
        defects=pd.concat([table.defects for table in tables], ignore_index=True),
        headings=tables[0].headings,
        ignored=tuple(sorted({name for table in tables for name in table.ignored})),
        notes=tuple(note for table in tables for note in table.notes),
    )
