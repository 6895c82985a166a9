"""Which servables exist and which one is champion: versions under their digests, aliases as an append-only history.

An alias stands for the digest of its last event; no row is ever changed. Whoever moves one says on which generation of
the history the decision rests, and loses when the history has moved on. Everything that is read is checked first: the
history's chain and the version's bytes, so that a damaged registry serves nothing rather than something else.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from promotion import database, head
from promotion.ledger import Event, LedgerError, canonical, follow, holder, succession, withdrawn
from promotion.shelf import Shelf, now
from promotion.versions import RegistryError, Version

__all__ = ["ALIASES", "ConflictError", "Event", "LedgerError", "Registry", "RegistryError", "Version"]

CHAMPION: Final = "champion"
ALIASES: Final = (CHAMPION, "challenger")
MAX_TEXT: Final = 2000


class ConflictError(RegistryError):
    """The history moved on after the decision was made."""


class Registry(Shelf):
    """Versions, and the history that says which of them is champion and which challenger."""

    def resolve(self, alias_or_digest: str) -> Version:
        """The version an alias, a digest or the unambiguous beginning of one stands for, verified.

        Raises:
            RegistryError: it stands for none or several, or the version's bytes were changed.
            LedgerError: the history was changed.
        """
        if alias_or_digest in ALIASES:
            digest = holder(self.history(), alias_or_digest)
            if not digest:
                raise RegistryError(f"{self.folder}: there is no {alias_or_digest} yet; promote a version first")
            return self.verify(digest)
        return self.verify(self.expand(alias_or_digest))

    def champion(self) -> Version | None:
        """The champion, verified; None while nothing has been promoted.

        Raises:
            RegistryError: the champion's bytes were changed.
            LedgerError: the history was changed.
        """
        digest = holder(self.history(), CHAMPION)
        return self.verify(digest) if digest else None

    def aliases(self) -> dict[str, str]:
        """Alias -> digest of every alias that stands for a version; the versions aren't verified.

        Raises:
            LedgerError: the history was changed.
        """
        events = self.history()
        return {alias: digest for alias in ALIASES if (digest := holder(events, alias))}

    def generation(self) -> int:
        """The number of the latest event, 0 before the first; what a decision made now rests on.

        Raises:
            LedgerError: the history was changed.
        """
        return len(self.history())

    def withdrawn(self) -> frozenset[str]:
        """Digests of the versions that somebody went back from, see `promotion.ledger.withdrawn`.

        Raises:
            LedgerError: the history was changed.
        """
        return withdrawn(self.history())

    def history(self) -> tuple[Event, ...]:
        """All events, oldest first.

        Raises:
            LedgerError: the history was changed.
        """
        return database.read_events(self._connection, self.folder)

    def promote(
        self,
        digest: str,
        *,
        alias: str,
        expected_generation: int,
        decision: Mapping[str, Any],
        actor: str,
        reason: str,
    ) -> int:
        """Lets an alias stand for a version, and returns the new generation.

        Args:
            digest: all 64 characters of a registered version's digest.
            alias: champion or challenger.
            expected_generation: `generation()` as it was when the decision was made.
            decision: what it rests on; anything that has a JSON form.
            actor: who decided; one printable line.
            reason: why; one printable line.

        Raises:
            ConflictError: the history moved on since; nothing was changed.
            RegistryError: an argument is wrong, or the version isn't what was registered.
        """
        if alias not in ALIASES:
            raise RegistryError(f"alias must be one of {ALIASES}. Received: {alias!r}")
        draft = _draft("promote", alias, digest, decision, actor, reason)
        return self._append(draft, expected_generation)

    def record(
        self, digest: str, *, decision: Mapping[str, Any], actor: str, reason: str, expected_generation: int
    ) -> int:
        """Keeps a decision that promotes nothing, and returns the new generation; arguments and errors as `promote`."""
        return self._append(_draft("record", "", digest, decision, actor, reason), expected_generation)

    def rollback(self, *, expected_generation: int, actor: str, reason: str) -> int:
        """Makes the champion before this one champion again, and returns the new generation.

        A second rollback goes one further back, not forth to the version that was just left. The current champion may
        be damaged, its predecessor may not.

        Raises:
            ConflictError: the history moved on since; nothing was changed.
            RegistryError: there is no earlier champion, or it isn't what was registered.
        """
        events = self.history()
        self._expect(events, expected_generation)
        line = succession(events)
        if len(line) < 2:
            raise RegistryError(f"{self.folder}: there is no earlier champion to go back to")
        draft = _draft("rollback", CHAMPION, line[-2], {}, actor, reason)
        return self._append(draft, expected_generation)

    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong with the registry, one line each; empty when it is whole."""
        rows = self._connection.execute("PRAGMA integrity_check").fetchall()
        found = [f"{database.DATABASE}: {text}" for (text,) in rows if text != "ok"]
        for table, row, *_ in self._connection.execute("PRAGMA foreign_key_check"):
            found.append(f"{database.DATABASE}: row {row} of {table} refers to a version that isn't there")
        try:
            self.history()
        except (LedgerError, sqlite3.DatabaseError) as error:
            found.append(str(error))
        for (digest,) in self._connection.execute("SELECT digest FROM versions ORDER BY rowid").fetchall():
            try:
                self.verify(digest)
            except RegistryError as error:
                found.append(str(error))
            except sqlite3.DatabaseError as error:  # such as text that is no UTF-8
                found.append(f"{database.DATABASE}: row of version {digest}: {error}")
        return tuple(found)

    def _append(self, draft: dict[str, str], expected_generation: int) -> int:
        """Commits an event and then its head; a kill in between is made good by the next call."""
        self.verify(draft["digest"])
        with database.locked(self.folder):
            with database.transaction(self._connection):
                events = self.history()
                self._expect(events, expected_generation)
                head.write(self.folder, events)
                event = follow(events, draft, now())
                database.append(self._connection, event)
            head.write(self.folder, (*events, event))
        return event.generation

    def _expect(self, events: tuple[Event, ...], generation: int) -> None:
        if generation != len(events):
            champion = holder(events, CHAMPION)[:12] or "none"
            raise ConflictError(
                f"expected_generation must be {len(events)}. Received: {generation}. The registry changed after the "
                f"decision was made: re-evaluate against the champion of now ({champion}) and decide again"
            )


def _draft(kind: str, alias: str, digest: str, decision: Mapping[str, Any], actor: str, reason: str) -> dict[str, str]:
    """The part of an event that doesn't depend on the history."""
    for name, text in (("actor", actor), ("reason", reason)):
        if not (text.strip() and text.isprintable() and len(text) <= MAX_TEXT):
            raise RegistryError(f"{name} must be one printable line of 1 to {MAX_TEXT} characters. Received: {text!r}")
    try:
        encoded = canonical(dict(decision))
    except (TypeError, ValueError) as error:
        raise RegistryError(f"decision must have a JSON form: {error}. Received: {decision!r}") from error
    return {"kind": kind, "alias": alias, "digest": digest, "decision": encoded, "actor": actor, "reason": reason}
