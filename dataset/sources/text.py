"""Bytes to text, row by row: what is not UTF-8 becomes a defect with its place, the other rows stay."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataset.sources.tables import VALUE_LENGTH, RawTable, defects

Defect = tuple[str, int, str, str, str]


def raw_table(
    name: str,
    binary: pa.Table,
    row: npt.NDArray[np.int64],
    *,
    lost: Sequence[Defect],
    ignored: tuple[str, ...],
    notes: tuple[str, ...],
) -> RawTable:
    """One file's records as text.

    Args:
        name: the file, as it is called in provenance.
        binary: [rows] columns of bytes; null is nothing.
        row: [rows] record numbers.
        lost: records that could not even be taken apart.
        ignored: columns that were not read.
        notes: oddities met on the way.
    """
    found = [(position, column) for column in binary.column_names for position in _not_utf8(binary[column])]
    readable = np.ones(len(binary), np.bool_)
    readable[[position for position, _ in found]] = False
    unreadable = [
        (name, int(row[position]), column, "not_utf8", _shown(binary, position, column)) for position, column in found
    ]
    kept = binary.filter(pa.array(readable)) if found else binary
    return RawTable(
        columns=kept.cast(pa.schema([(column, pa.string()) for column in kept.column_names])),
        files=(name,),
        file=np.zeros(len(kept), np.int32),
        row=row[readable],
        defects=defects([*lost, *unreadable]),
        headings={column: column for column in kept.column_names},
        ignored=ignored,
        notes=notes,
    )


def _not_utf8(column: pa.ChunkedArray) -> list[int]:
    """Positions of the values that are not UTF-8; the whole column is tried first, because it mostly is."""
    try:
        column.cast(pa.string())
    except pa.ArrowInvalid:
        return [position for position, value in enumerate(column.to_pylist()) if not _is_utf8(value or b"")]
    return []


def _is_utf8(value: bytes) -> bool:
    return value.decode("utf-8", errors="ignore").encode() == value


def _shown(binary: pa.Table, position: int, column: str) -> str:
    value: bytes = binary[column][position].as_py()
    return value.decode("utf-8", errors="backslashreplace")[:VALUE_LENGTH]
