"""Delimited bytes to records, with the parser of Arrow: well-formed ones as columns of bytes, the others apart.

Arrow hands a malformed record over as text, which fails where the record is not UTF-8. Such a file is therefore parsed
as Latin-1, in which any byte is a character, and its fields are turned back into the bytes that they were.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv as pacsv

from dataset.sources.tables import SourceError

BLOCK_BYTES: Final = 1 << 24


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    delimiter: str
    quoted: bool
    """Whether double quotes enclose fields."""
    multiline: bool
    """Whether a quoted field may hold line breaks; where not, one means that a quote was never closed."""
    header: tuple[str, ...] | None = None
    """Column names of a file that has no header line."""


@dataclass(frozen=True)
class Records:
    """What a file holds."""

    table: pa.Table
    """Well-formed records: the wanted columns, as bytes."""
    broken: list[tuple[int, str]]
    """Record number (from 1, the header included) and text of each malformed one."""


def open_file(path: Path) -> pa.NativeFile:
    """The file's bytes, unpacked when its name ends in .gz."""
    return pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None)


def parse(path: Path, present: Sequence[str], wanted: Sequence[str], dialect: Dialect, data: bytes | None) -> Records:
    """Takes a file apart.

    Args:
        path: the file.
        present: all its columns.
        wanted: those to keep.
        dialect: how it is written.
        data: its contents where they are not what the file holds byte for byte.

    Raises:
        SourceError: it cannot be unpacked or taken apart at all.
    """
    try:
        if _is_utf8(path, data):
            return _parse(path, data, present, wanted, dialect, "utf8")
        records = _parse(
            path, data, [_mangled(name) for name in present], [_mangled(name) for name in wanted], dialect, "latin1"
        )
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise SourceError(f"{path}: cannot be read as delimited text: {error}") from error
    columns = [_restored(column) for column in records.table.columns]
    return Records(pa.table(columns, names=list(wanted)), records.broken)


def _is_utf8(path: Path, data: bytes | None) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_file(path) if data is None else pa.BufferReader(data) as stream:
        try:
            while block := stream.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _parse(
    path: Path, data: bytes | None, present: Sequence[str], wanted: Sequence[str], dialect: Dialect, encoding: str
) -> Records:
    broken: list[tuple[int, str]] = []

    def skip(row: pacsv.InvalidRow) -> str:
        broken.append((int(row.number), str(row.text)))
        return "skip"

    # One thread, because only then are malformed records numbered.
    read = pacsv.ReadOptions(use_threads=False, column_names=dialect.header, block_size=BLOCK_BYTES, encoding=encoding)
    shape = pacsv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char='"' if dialect.quoted else False,
        newlines_in_values=dialect.quoted,
        ignore_empty_lines=False,
        invalid_row_handler=skip,
    )
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(present, pa.binary()), include_columns=list(wanted), null_values=[]
    )
    with open_file(path) if data is None else pa.BufferReader(data) as stream:
        table = pacsv.read_csv(stream, read_options=read, parse_options=shape, convert_options=convert)
    return Records(table, broken)


def _mangled(name: str) -> str:
    """A column name as it looks when its UTF-8 is read as Latin-1."""
    return name.encode().decode("latin-1")


def _restored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    values = [value.decode().encode("latin-1") for value in column.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.binary())])
