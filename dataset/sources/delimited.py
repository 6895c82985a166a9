"""Delimited text (CSV, TSV, gzipped or not) as raw tables: strict about bytes and records, silent about nothing.

Records are numbered from 1 with the header as record 1, blank lines included, so that a number can be looked up in the
file. A record with too many or too few fields and a value that is not UTF-8 become defects; a byte order mark and blank
lines are noted. An unreadable header, a file without a single byte, and a quote that never closes stop the reading,
because nothing after them can be trusted.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataset.sources.quotes import OPEN_QUOTE, refuse_open_end
from dataset.sources.records import Dialect, Records, open_file, parse
from dataset.sources.tables import VALUE_LENGTH, RawTable, SourceError, rename, require
from dataset.sources.text import raw_table

BOM: Final = b"\xef\xbb\xbf"
WIDE_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
HEADER_LIMIT: Final = 1 << 20
"""Bytes read to find the header line."""


def header(path: Path, dialect: Dialect) -> tuple[str, ...]:
    """Column names of a file.

    Raises:
        SourceError: the file is empty, its header is not UTF-8, or a name stands twice.
    """
    start = _start(path)
    if not start:
        raise SourceError(f"{path}: the file is empty; a table needs at least a header line")
    if dialect.header is not None:
        return dialect.header
    if start[:2] in WIDE_BOMS:
        raise SourceError(f"{path}: the file is UTF-16; save it as UTF-8")
    line = next(iter(start.removeprefix(BOM).splitlines()), b"")
    try:
        names = next(csv.reader([line.decode("utf-8")], delimiter=dialect.delimiter), [])
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: row 1: the header must be UTF-8. Received: {line[:80]!r}") from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SourceError(f"{path}: row 1: a column name must stand once. Received twice: {repeated}")
    return tuple(names)


def read(path: Path, name: str, names: Mapping[str, str], dialect: Dialect, *, data: bytes | None = None) -> RawTable:
    """Reads the columns `names` of one file as text.

    Args:
        path: the file; `.gz` is unpacked on the way.
        name: what to call the file in messages and provenance.
        names: the file's column name -> ours.
        dialect: how the file is written.
        data: the file's contents where they had to be changed before they could be parsed.

    Raises:
        SourceError: the file lacks a column or cannot be read as delimited text.
    """
    present = header(path, dialect)
    require(path, present, names)
    start = _start(path)
    marked = start.startswith(BOM)
    if marked and data is None:
        data = _all(path).removeprefix(BOM)
    if dialect.header is None and len(start) < HEADER_LIMIT and b"\n" not in start and b"\r" not in start:
        data = start.removeprefix(BOM) + b"\n"  # the parser sees a header only when its line ends
    refuse_open_end(path, dialect, data)
    records = parse(path, present, list(names), dialect, data)
    first = 2 if dialect.header is None else 1
    _refuse_open_quotes(path, records, first, dialect)
    row = np.arange(first, first + len(records.table) + len(records.broken), dtype=np.int64)
    row = row[~np.isin(row, [number for number, _ in records.broken])]
    blank = _blank_lines(path, records.table, row, dialect)
    notes = [f"{name}: a byte order mark at the start"] if marked else []
    notes += [f"{name}: {blank.sum()} blank lines"] if blank.any() else []
    table = raw_table(
        name,
        records.table.filter(pa.array(~blank)),
        row[~blank],
        lost=[(name, number, "", "column_count", text[:VALUE_LENGTH]) for number, text in records.broken],
        ignored=tuple(sorted(set(present) - names.keys())),
        notes=tuple(notes),
    )
    return rename(table, names)


def _start(path: Path) -> bytes:
    try:
        with open_file(path) as stream:
            return bytes(stream.read(HEADER_LIMIT))
    except OSError as error:
        raise SourceError(f"{path}: cannot be unpacked: {error}") from error


def _all(path: Path) -> bytes:
    with open_file(path) as stream:
        return bytes(stream.read())


def _refuse_open_quotes(path: Path, records: Records, first: int, dialect: Dialect) -> None:
    for number, text in records.broken:
        if "\n" in text.rstrip("\r\n"):
            raise SourceError(f"{path}: row {number}: {OPEN_QUOTE}. Received: {text[:80]!r}")
    if dialect.multiline or not dialect.quoted:
        return
    for name, column in zip(records.table.column_names, records.table.columns, strict=True):
        found = pc.index(pc.match_substring(column, "\n"), True).as_py()
        if found >= 0:
            value = column[found].as_py()[:80]
            raise SourceError(f"{path}: about row {found + first}: column {name}: {OPEN_QUOTE}. Received: {value!r}")


def _blank_lines(path: Path, table: pa.Table, row: npt.NDArray[np.int64], dialect: Dialect) -> npt.NDArray[np.bool_]:
    """[rows] which records are blank lines; the parser makes them records of empty fields, as it does of `,,,`."""
    blank = np.ones(len(table), np.bool_)
    for column in table.columns:
        blank &= pc.equal(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
    if not blank.any():
        return blank
    lines = _all(path).splitlines()
    if dialect.multiline:  # records are not lines here, so all that can be asked is whether there is a blank one
        return blank & (b"" in lines)
    blank[blank] = [not lines[number - 1] for number in row[blank]]
    return blank
