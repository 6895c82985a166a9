"""A quote that the end of a file leaves open: the parser takes all lines after it for one field and says nothing."""

import re
from pathlib import Path
from typing import Final

import pyarrow as pa

from dataset.sources.records import BLOCK_BYTES, Dialect, open_file
from dataset.sources.tables import SourceError

OPEN_QUOTE: Final = "rule open_quote: a quote is opened and never closed, so lines are lost; close it or double it"
QUOTED: Final = rb'(?:\A|[%s\r\n])"(?:[^"]++|"")*+("?)'
"""A quoted field and the quote that closes it; quotes within a field that does not begin with one mean nothing."""


def refuse_open_end(path: Path, dialect: Dialect, data: bytes | None) -> None:
    """Stops when a file ends within quotes.

    Args:
        path: the file.
        dialect: how it is written.
        data: its contents where they are not what the file holds byte for byte.

    Raises:
        SourceError: names the line of the quote.
    """
    # An open quote makes their number odd; stray ones within a field do too, so only then is it worth a closer look.
    if not dialect.quoted or _count(path, data) % 2 == 0:
        return
    if data is None:
        with open_file(path) as stream:
            data = bytes(stream.read())
    for field in re.finditer(QUOTED % re.escape(dialect.delimiter.encode()), data):
        if not field[1]:
            start = data.index(b'"', field.start())
            line = data.count(b"\n", 0, start) + 1
            raise SourceError(f"{path}: row {line}: {OPEN_QUOTE}. Received: {data[start : start + 80]!r}")


def _count(path: Path, data: bytes | None) -> int:
    found = 0
    with open_file(path) if data is None else pa.BufferReader(data) as stream:
        while block := stream.read(BLOCK_BYTES):
            found += block.count(b'"')
    return found
