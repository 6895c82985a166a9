"""The versions of a registry: their folders, and one append-only row for each."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import digest as digests
from promotion import database, versions
from promotion.ledger import canonical
from promotion.versions import DIGEST, RegistryError, Version

PREFIX_LENGTH: Final = 8


class Shelf:
    """A registry folder. One object belongs to one thread; processes may share the folder."""

    def __init__(self, folder: Path, *, make: bool = True) -> None:
        """Opens the registry.

        Args:
            folder: where it is.
            make: whether it is made when there is none; whoever only reads must not take an empty one for theirs.

        Raises:
            RegistryError: there is none, or the folder holds something else or a newer registry than this code knows.
        """
        self.folder = folder
        self._connection = database.connect(folder, make=make)

    def close(self) -> None:
        """Closes the database; the object is of no use afterwards."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def register(self, source: Path) -> Version:
        """Copies a servable folder into the registry. The same bytes again change nothing and give the same version.

        Raises:
            RegistryError: the folder holds a link, a folder, a device, or a file whose name or suffix isn't allowed.
        """
        with database.locked(self.folder):
            digest = versions.store(source, self.folder / database.VERSIONS)
            if version := self._find(digest):
                return version
            path = self.path(digest)
            size = sum(file.stat().st_size for file in path.iterdir())
            row = (digest, now(), size, canonical(digests.of_files(path)))
            self._connection.execute("INSERT INTO versions (digest, time, bytes, files) VALUES (?, ?, ?, ?)", row)
        return self._version(row)

    def path(self, digest: str) -> Path:
        """Where a version with this digest is or would be; nothing is verified.

        Raises:
            RegistryError: `digest` isn't 64 hexadecimal characters.
        """
        if not DIGEST.fullmatch(digest):
            raise RegistryError(f"digest must be 64 lower-case hexadecimal characters. Received: {digest!r}")
        return self.folder / database.VERSIONS / digest

    def versions(self) -> tuple[Version, ...]:
        """All registered versions, oldest first, not verified."""
        rows = self._connection.execute("SELECT digest, time, bytes, files FROM versions ORDER BY rowid").fetchall()
        return tuple(self._version(row) for row in rows)

    def verify(self, digest: str) -> Version:
        """Hashes a version's files again.

        Raises:
            RegistryError: it isn't registered, or a file was changed, removed or added.
        """
        version = self._find(digest)
        if version is None:
            raise RegistryError(f"{self.folder}: no version {digest}; register its servable first")
        versions.check_bytes(version.path, version.digest, version.files)
        return version

    def expand(self, prefix: str) -> str:
        """The one registered digest that begins so.

        Raises:
            RegistryError: none or several do, or the prefix is too short or not hexadecimal.
        """
        if not re.fullmatch(f"[0-9a-f]{{{PREFIX_LENGTH},64}}", prefix):
            raise RegistryError(
                f"a version must be named by an alias or the first {PREFIX_LENGTH} or more characters of its digest. "
                f"Received: {prefix!r}"
            )
        matches = [version.digest for version in self.versions() if version.digest.startswith(prefix)]
        if len(matches) != 1:
            raise RegistryError(f"{self.folder}: one version's digest must begin with {prefix}. Found: {matches}")
        return matches[0]

    def _find(self, digest: str) -> Version | None:
        query = "SELECT digest, time, bytes, files FROM versions WHERE digest = ?"
        row = self._connection.execute(query, (digest,)).fetchone()
        return self._version(row) if row else None

    def _version(self, row: tuple[str, str, int, str]) -> Version:
        digest, time, size, files = row
        try:
            return Version(digest, self.path(digest), time, size, dict(json.loads(files)))
        except (TypeError, ValueError) as error:
            raise RegistryError(f"{self.folder / database.DATABASE}: row of version {digest} is damaged") from error


def now() -> str:
    """UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
