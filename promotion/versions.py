"""Version folders: a servable's bytes under their own digest, copied once and never written again."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import digest
import durable

SUFFIXES: Final = (".json", ".npy", ".npy.gz", ".npz", ".tflite", ".tflite.gz", ".faiss")
"""Formats that hold data and can't run code when they are read."""
NAME: Final = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,63}")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
INCOMING: Final = ".incoming-"


class RegistryError(ValueError):
    """A version, an alias or the registry itself isn't what it should be; the message names it."""


@dataclass(frozen=True)
class Version:
    """A registered servable."""

    digest: str
    """SHA-256 of the folder, see `digest.of_folder`."""
    path: Path
    time: str
    """When it was registered: UTC, ISO 8601."""
    bytes: int
    files: Mapping[str, str]
    """File name -> SHA-256."""


def check_names(folder: Path) -> list[Path]:
    """The files of a servable folder, sorted by name.

    Raises:
        RegistryError: the folder is missing, a link or empty, or holds something besides plain files with allowed
            names and suffixes; the message names the first such entry.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise RegistryError(f"{folder}: a version must be a folder and not a link")
    paths = sorted(folder.iterdir())
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise RegistryError(f"{path}: a version must hold plain files alone, no links, folders or devices")
        if not NAME.fullmatch(path.name) or not path.name.endswith(SUFFIXES):
            raise RegistryError(
                f"{path}: file names must match {NAME.pattern} and end in one of {list(SUFFIXES)}. "
                f"Received: {path.name!r}"
            )
    if not paths:
        raise RegistryError(f"{folder}: a version must hold at least one file")
    return paths


def store(source: Path, versions: Path) -> str:
    """Copies a servable to `versions/<digest>`, durably, and returns the digest.

    The digest is taken from the copy, so it names the bytes that are kept even when the source changes meanwhile.
    Only one process may call this at a time; it removes what a killed call left.

    Raises:
        RegistryError: the source isn't a servable folder, or `versions/<digest>` exists and was changed.
    """
    for stale in versions.glob(f"{INCOMING}*"):
        shutil.rmtree(stale)
    paths = check_names(source)
    incoming = Path(tempfile.mkdtemp(prefix=INCOMING, dir=versions))
    try:
        for path in paths:
            _copy(path, incoming / path.name)
        incoming.chmod(0o755)
        durable.sync_folder(incoming)
        name = digest.of_folder(incoming)
        if os.path.lexists(versions / name):
            check_bytes(versions / name, name)
        else:
            incoming.rename(versions / name)
            durable.sync_folder(versions)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return name


def check_bytes(folder: Path, name: str, files: Mapping[str, str] | None = None) -> None:
    """Hashes a stored version again.

    Args:
        folder: where it is.
        name: the digest it must have.
        files: what it should hold, to name the file that differs.

    Raises:
        RegistryError: anything was changed, removed or added.
    """
    check_names(folder)
    if digest.of_folder(folder) == name:
        return
    found = digest.of_files(folder)
    wanted = files or {}
    differing = sorted(file for file in found.keys() | wanted.keys() if found.get(file) != wanted.get(file))
    raise RegistryError(
        f"{folder}: not the bytes that were registered; missing, added or changed: {', '.join(differing)}. "
        "Remove the folder and register its servable again"
    )


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer)
        writer.flush()
        os.fchmod(writer.fileno(), 0o444)
        os.fsync(writer.fileno())
