"""The head file: how far a registry's history reaches, kept apart from it so that a cut end shows.

It is written after the commit it describes and before the next one, both under the writers' lock. So it is one event
behind when a writer was killed between the two, and nothing leaves it further behind or ahead.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import durable
from promotion.ledger import Event, Head, LedgerError

NAME: Final = "head.json"


def read(folder: Path) -> Head:
    """The head as last written; that of an empty history when there is no file.

    Raises:
        LedgerError: the file can't be read as a head.
    """
    path = folder / NAME
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Head()
    except ValueError as error:
        raise LedgerError(f"{path}: not a head file: {error}") from error
    match value:
        case {"generation": int(generation), "hash": str(text)} if generation >= 0:
            return Head(generation, text)
    raise LedgerError(f"{path}: must hold generation and hash. Received: {value}")


def write(folder: Path, events: Sequence[Event]) -> None:
    """Brings the head up to the latest event, which must be committed; only under `database.locked`."""
    head = Head(events[-1].generation, events[-1].hash) if events else Head()
    if read(folder) == head:
        return
    for stale in folder.glob(f".{NAME}.*"):
        stale.unlink()
    durable.write_json(folder / NAME, {"generation": head.generation, "hash": head.hash})
