"""One file of the exposure log: what is watched of its good records, and what is lost of it.

A log that lost lines must not look like a quiet one: whatever could not be read is counted, and dated, so that it
weighs on the window it fell into and not on every later one. A line that is no record is dated by the last good record
before it, else by the first after it; numbers that nobody wrote by the record after them; a file without a good record
by the day in its name.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

DAY_SECONDS: Final = 86_400
ALWAYS: Final = (-math.inf, math.inf)

logger = logging.getLogger(__name__)

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Kind = Literal["torn", "broken", "missing"]


class Exposure(msgspec.Struct, frozen=True):
    """What is watched of one answer of the endpoint; the rest of its line is read over. The lists go together."""

    sequence: Count
    """Number within the file, from 0."""
    time: float
    version: str
    history: Count
    ignored: Count
    fallback: str | None
    scores: list[float | None]
    popularity_rank: list[Count | None]

    def __post_init__(self) -> None:
        lengths = {len(self.scores), len(self.popularity_rank)}
        if len(lengths) != 1:
            raise ValueError(f"scores and popularity_rank must be equally long. Received: {lengths}")


@dataclass(frozen=True)
class Damage:
    """Lines that are lost: a torn last line, broken lines, or sequence numbers that nobody wrote."""

    file: str
    kind: Kind
    first: float
    """When it happened, seconds, at the earliest."""
    last: float
    """And at the latest: the same, except in a file without a good record."""
    count: int


def days(name: str) -> tuple[float, float]:
    """First and last moment of the day, UTC, that a file's name begins with, seconds; any time for another name."""
    try:
        start = datetime.fromisoformat(name[:10]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return ALWAYS
    return start, math.nextafter(start + DAY_SECONDS, start)


def read_file(path: Path) -> tuple[list[Exposure], list[Damage]]:
    """Good records in file order, and what is lost.

    Raises:
        OSError: the file cannot be opened or read.
    """
    decoder = msgspec.json.Decoder(Exposure)
    records: list[Exposure] = []
    unread: list[tuple[int, Kind]] = []
    with path.open("rb") as file:
        for line in file:
            if line == b"\n":  # where a full disk took a line to its very end, the next one begins with another end
                continue
            try:
                records.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                unread.append((len(records), "broken" if line.endswith(b"\n") else "torn"))
    damage = [Damage(path.name, kind, *_when(path.name, records, before), 1) for before, kind in unread]
    damage += _gaps(path.name, records)
    if damage:
        logger.warning("%s: %d good records, lost: %s", path, len(records), damage)
    return records, damage


def _when(name: str, records: Sequence[Exposure], before: int) -> tuple[float, float]:
    """When a line that stands after so many good records was written."""
    if not records:
        return days(name)
    moment = records[max(before - 1, 0)].time
    return moment, moment


def _gaps(name: str, records: Sequence[Exposure]) -> Iterator[Damage]:
    """Numbers run from 0 in every file, though threads may have written neighbours in another order."""
    moments = {record.sequence: record.time for record in records}
    for low, high in pairwise([-1, *sorted(moments)]):
        if high > low + 1:
            yield Damage(name, "missing", moments[high], moments[high], high - low - 1)
