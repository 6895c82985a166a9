"""One file of the exposure log: its good records, and what is lost of it.

A log that lost lines must not look like a quiet one: whatever could not be read is counted, and the damage is dated
by the last good record before it, so that it weighs on the window it fell into and not on every later one.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec

logger = logging.getLogger(__name__)

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Exposure(msgspec.Struct, frozen=True):
    """One line of the log: one answer of the endpoint. `items`, `positions`, `scores` and ranks go together."""

    sequence: Count
    """Number within the file, from 0."""
    request_id: str
    time: float
    version: str
    user_id: str | None
    history: Count
    ignored: Count
    k: Count
    fallback: str | None
    items: list[str]
    positions: list[Count]
    scores: list[float | None]
    latency_ms: float
    popularity_rank: list[Count | None]

    def __post_init__(self) -> None:
        lengths = {len(self.items), len(self.positions), len(self.scores), len(self.popularity_rank)}
        if len(lengths) != 1:
            raise ValueError(f"items, positions, scores and popularity_rank must be equally long. Received: {lengths}")


@dataclass(frozen=True)
class Damage:
    """Lines that are lost: a torn last line, broken lines, or sequence numbers that nobody wrote."""

    file: str
    kind: Literal["torn", "broken", "missing"]
    time: float
    """Seconds; of the last good record before it, else the first after it, NaN in a file without a good one."""
    count: int


def read_file(path: Path) -> tuple[list[Exposure], list[Damage]]:
    """Good records in file order, and what is lost.

    Raises:
        OSError: the file cannot be opened or read.
    """
    decoder = msgspec.json.Decoder(Exposure)
    records: list[Exposure] = []
    damage: list[Damage] = []
    with path.open("rb") as file:
        for line in file:
            try:
                records.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                moment = records[-1].time if records else math.nan
                damage.append(Damage(path.name, "broken" if line.endswith(b"\n") else "torn", moment, 1))
    damage = [_dated(entry, records) for entry in damage] + list(_gaps(path.name, records))
    if damage:
        logger.warning("%s: %d good records, lost: %s", path, len(records), damage)
    return records, damage


def _dated(entry: Damage, records: Sequence[Exposure]) -> Damage:
    """Damage before a file's first good record gets that record's time."""
    if not math.isnan(entry.time) or not records:
        return entry
    return Damage(entry.file, entry.kind, records[0].time, entry.count)


def _gaps(name: str, records: Sequence[Exposure]) -> Iterator[Damage]:
    """Numbers run from 0 in every file, though threads may have written neighbours in another order."""
    moments = {record.sequence: record.time for record in records}
    for low, high in pairwise([-1, *sorted(moments)]):
        if high > low + 1:
            yield Damage(name, "missing", moments[high], high - low - 1)
