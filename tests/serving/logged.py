"""What an endpoint under test has logged: whole records, and what monitoring says is lost."""

from pathlib import Path

import msgspec

from monitoring.exposures import Damage, read_file
from serving.exposure import Exposure


def records(folder: Path) -> list[Exposure]:
    """All of them, file by file in name order; a line that is none is an error."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    return [msgspec.json.decode(line, type=Exposure) for line in lines]


def numbers(folder: Path) -> list[int]:
    """Of the records that monitoring reads."""
    return [record.sequence for path in sorted(folder.glob("*.jsonl")) for record in read_file(path)[0]]


def lost(folder: Path) -> list[tuple[str, int]]:
    """What is lost and how many of it, file by file in name order."""
    damage: list[Damage] = [entry for path in sorted(folder.glob("*.jsonl")) for entry in read_file(path)[1]]
    return [(entry.kind, entry.count) for entry in damage]
