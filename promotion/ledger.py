"""The registry's history as a hash chain: what was written once can't be changed, dropped or moved unnoticed.

Each event's hash covers the hash before it, so an edit anywhere breaks the chain from there on. A chain alone can't
show that its end is missing; for that the head, the latest generation and its hash, is kept in a file of its own. It
is written after the commit it describes, so a kill between the two leaves it one behind, and nothing leaves it ahead.

This finds damage, accidents and careless edits. Somebody who may write every file can build another valid chain with
its own head; only a copy of the head elsewhere shows that.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

GENESIS: Final = "0" * 64
"""What stands for the previous hash of the first event."""


class LedgerError(ValueError):
    """The history isn't the one that was written; the message names the first bad generation."""


@dataclass(frozen=True)
class Event:
    """One decision about one version, as it is stored."""

    generation: int
    """Counts all events of a registry from 1, without gaps."""
    time: str
    """UTC, ISO 8601."""
    kind: str
    """promote | rollback | record; the last one moves no alias."""
    alias: str
    """Which alias moved; empty for `record`."""
    digest: str
    """The version the decision is about."""
    previous: str
    """The version the alias stood for before; empty when there was none."""
    decision: str
    """Canonical JSON of an object, in the very bytes that were hashed."""
    actor: str
    reason: str
    hash: str

    def fields(self) -> dict[str, Any]:
        """Everything the hash covers besides the hash before it."""
        values = asdict(self)
        del values["hash"]
        return values

    def details(self) -> dict[str, Any]:
        """The decision as an object."""
        details: dict[str, Any] = json.loads(self.decision)
        return details


@dataclass(frozen=True)
class Head:
    """How far the history is known to reach: the latest event's generation and hash."""

    generation: int = 0
    hash: str = GENESIS


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII.

    Raises:
        TypeError: the value holds something JSON has no form for.
        ValueError: the value holds NaN or infinity, or refers to itself.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def chain(previous_hash: str, fields: Mapping[str, Any]) -> str:
    """SHA-256 over the hash before, a line feed and the canonical JSON of the fields; 64 hexadecimal characters."""
    return hashlib.sha256(f"{previous_hash}\n{canonical(dict(fields))}".encode()).hexdigest()


def check(events: Sequence[Event]) -> None:
    """Follows the chain from its beginning.

    Args:
        events: the whole history in stored order.

    Raises:
        LedgerError: an event is missing, edited, out of order or from another history.
    """
    hash_before = GENESIS
    for generation, event in enumerate(events, start=1):
        if event.generation != generation:
            raise LedgerError(f"generation {generation}: missing or out of order. Received: {event.generation}")
        if not _follows(hash_before, event):
            raise LedgerError(f"generation {generation}: changed since it was written; restore the registry's backup")
        hash_before = event.hash


def check_head(events: Sequence[Event], before: Head, after: Head) -> None:
    """Compares a checked history with its head.

    Other processes may commit meanwhile: a head read before the events can't be ahead of them, and one read after
    them can't be more than one behind. Two reads therefore need no lock.

    Args:
        events: the whole history, already through `check`.
        before: the head as read before the events.
        after: the head as read after the events.

    Raises:
        LedgerError: the history's end is missing, is another one, or was written past the head.
    """
    if before.generation > len(events):
        raise LedgerError(
            f"generation {len(events) + 1}: missing; the history ends before its head, generation {before.generation}. "
            "Restore the registry's backup"
        )
    hashes = [GENESIS, *(event.hash for event in events)]
    for head in (before, after):
        if head.generation < len(hashes) and head.hash != hashes[head.generation]:
            raise LedgerError(f"generation {head.generation}: its hash isn't the head's; this is another history")
    if after.generation < len(events) - 1:
        raise LedgerError(
            f"generation {after.generation + 1}: written past the head, which may be one behind at most and ends at "
            f"generation {after.generation}"
        )


def follow(events: Sequence[Event], draft: Mapping[str, str], time: str) -> Event:
    """The event that comes after `events`, chained to them.

    Args:
        events: the whole history, already through `check`.
        draft: kind, alias, digest, decision, actor and reason.
        time: UTC, ISO 8601.
    """
    previous = holder(events, draft["alias"]) if draft["alias"] else ""
    event = Event(generation=len(events) + 1, time=time, previous=previous, hash="", **draft)
    return replace(event, hash=chain(events[-1].hash if events else GENESIS, event.fields()))


def holder(events: Sequence[Event], alias: str) -> str:
    """The digest an alias stands for after these events; empty when there is none yet."""
    return next((event.digest for event in reversed(events) if event.alias == alias), "")


def succession(events: Sequence[Event]) -> list[str]:
    """The champions that led to the present one, it last: what rollbacks undid isn't in it, nor the same twice running.

    Its last but one is where the next rollback goes.
    """
    line: list[str] = []
    for event in events:
        if event.alias != "champion":
            continue
        if event.kind == "rollback":
            line.pop()
        elif line[-1:] != [event.digest]:
            line.append(event.digest)
    return line


def withdrawn(events: Sequence[Event]) -> frozenset[str]:
    """The versions that were champion until a rollback, and have not become it again since."""
    found: set[str] = set()
    for event in (event for event in events if event.alias == "champion"):
        if event.kind == "rollback":
            found.add(event.previous)
        found.discard(event.digest)
    return frozenset(found)


def _follows(hash_before: str, event: Event) -> bool:
    """False as well when a damaged page made a column something that has no JSON form."""
    try:
        return event.hash == chain(hash_before, event.fields())
    except TypeError:
        return False
