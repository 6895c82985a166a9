"""Where the registry's rows live: one SQLite file in WAL mode, one writer at a time, and a head file beside it.

Writers wait for a file lock, which the kernel takes back from a killed one, and hold it over the commit and the head
that describes it. Readers take no lock at all.
"""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import durable
from promotion import head
from promotion.ledger import Event, check, check_head
from promotion.versions import RegistryError

SCHEMA_VERSION: Final = 1
WAIT_SECONDS: Final = 30.0
DATABASE: Final = "registry.sqlite"
LOCK: Final = "lock"
VERSIONS: Final = "versions"

COLUMNS: Final = "generation, time, kind, alias, digest, previous, decision, actor, reason, hash"

# The triggers on INSERT are there because INSERT OR REPLACE deletes without firing the ones on DELETE.
SCHEMA: Final = (
    """CREATE TABLE versions (
        digest TEXT PRIMARY KEY CHECK (length(digest) = 64),
        time TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        files TEXT NOT NULL
    )""",
    """CREATE TABLE events (
        generation INTEGER PRIMARY KEY,
        time TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('promote', 'rollback', 'record')),
        alias TEXT NOT NULL CHECK (alias IN ('champion', 'challenger', '') AND (alias = '') = (kind = 'record')),
        digest TEXT NOT NULL REFERENCES versions (digest),
        previous TEXT NOT NULL,
        decision TEXT NOT NULL,
        actor TEXT NOT NULL CHECK (actor <> ''),
        reason TEXT NOT NULL CHECK (reason <> ''),
        hash TEXT NOT NULL CHECK (length(hash) = 64)
    )""",
    """CREATE TRIGGER versions_once BEFORE INSERT ON versions
        WHEN EXISTS (SELECT 1 FROM versions WHERE digest = NEW.digest)
        BEGIN SELECT RAISE(ABORT, 'versions is append-only'); END""",
    """CREATE TRIGGER events_next BEFORE INSERT ON events
        WHEN NEW.generation IS NOT (SELECT coalesce(max(generation), 0) + 1 FROM events)
        BEGIN SELECT RAISE(ABORT, 'generations have no gaps'); END""",
    *(
        f"""CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
        BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""
        for table in ("versions", "events")
        for verb in ("UPDATE", "DELETE")
    ),
)


def connect(folder: Path, *, make: bool) -> sqlite3.Connection:
    """Opens the registry's database.

    Args:
        folder: the registry's.
        make: whether a missing one is made first.

    Raises:
        RegistryError: there is none, or the file isn't a registry this code can read.
    """
    path = folder / DATABASE
    try:
        if make:
            (folder / VERSIONS).mkdir(parents=True, exist_ok=True)
        if not _is_made(path):
            if not make:
                raise RegistryError(f"{folder}: no registry, {DATABASE} isn't there; the first promote makes one")
            with locked(folder):
                _create(path)
        connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        found = _schema_version(connection)
    except sqlite3.DatabaseError as error:
        raise RegistryError(f"{path}: can't be opened as a registry: {error}") from error
    if found != SCHEMA_VERSION:
        connection.close()
        raise RegistryError(
            f"{path}: schema version must be {SCHEMA_VERSION}. Received: {found}; it was written by another Podium"
        )
    return connection


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes its holder the only writer of a registry.

    Raises:
        RegistryError: another process has held the lock for `WAIT_SECONDS`.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with (folder / LOCK).open("a") as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise RegistryError(
                    f"{folder / LOCK}: another process has been writing for {WAIT_SECONDS:g} s; find it, or try again"
                )
            time.sleep(0.005)
        yield


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits what the block wrote, or nothing of it when the block raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def read_events(connection: sqlite3.Connection, folder: Path) -> tuple[Event, ...]:
    """The whole history, its chain and its end checked; needs no lock.

    Raises:
        LedgerError: it isn't the history that was written.
    """
    before = head.read(folder)
    rows = connection.execute(f"SELECT {COLUMNS} FROM events ORDER BY generation").fetchall()
    events = tuple(Event(*row) for row in rows)
    check(events)
    check_head(events, before, head.read(folder))
    return events


def append(connection: sqlite3.Connection, event: Event) -> None:
    """Inserts one event, inside a transaction."""
    values = (*event.fields().values(), event.hash)
    connection.execute(f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _schema_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _is_made(path: Path) -> bool:
    """An empty file isn't opened: SQLite refuses to turn WAL on while somebody else only reads."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with closing(sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)) as connection:
        return _schema_version(connection) != 0


def _create(path: Path) -> None:
    """Makes the tables, unless another process did so while this one waited for the lock."""
    if _is_made(path):
        return
    with closing(sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        with transaction(connection):
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    durable.sync_folder(path.parent)
