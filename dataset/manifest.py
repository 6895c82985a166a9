"""The SHA-256 manifest of a raw folder: what came in, byte for byte, checked before anything is built on it.

`manifest.json` lies beside the files it names: `{"source": ..., "files": {name: {"sha256", "bytes"}}}`, names being
POSIX paths relative to the folder. A changed, missing or extra file is an error, so a flipped bit in a cache or a file
dropped into the folder by hand cannot reach a model.
"""

from pathlib import Path
from typing import Final

import msgspec

import digest
import durable

NAME: Final = "manifest.json"


class ManifestError(ValueError):
    """The folder does not hold exactly what its manifest says; the message names the file."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    sha256: str
    """64 hexadecimal characters."""
    bytes: int
    """Size."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All files of a raw folder and the source that they came from."""

    source: str
    files: dict[str, Entry]


def write(folder: Path, source: str) -> Manifest:
    """Describes every file below `folder` in its manifest.json, sorted by name."""
    manifest = Manifest(source, _entries(folder))
    durable.write_json(folder / NAME, manifest)
    return manifest


def verify(folder: Path) -> Manifest:
    """Reads the manifest and compares every file with it.

    Raises:
        ManifestError: there is no manifest, or a file is missing, extra or has other bytes.
    """
    manifest = _read(folder / NAME)
    present = _entries(folder)
    for name in sorted(manifest.files.keys() | present.keys()):
        expected, received = manifest.files.get(name), present.get(name)
        if expected != received:
            raise ManifestError(_complaint(folder / name, expected, received))
    return manifest


def _entries(folder: Path) -> dict[str, Entry]:
    return {
        name: Entry(sha256, (folder / name).stat().st_size)
        for name, sha256 in digest.of_files(folder).items()
        if name != NAME
    }


def _read(path: Path) -> Manifest:
    if not path.is_file():
        raise ManifestError(f"{path}: not there; run the ingest step to make the raw folder")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise ManifestError(f"{path}: not a manifest ({error}); run the ingest step again") from error


def _complaint(path: Path, expected: Entry | None, received: Entry | None) -> str:
    if expected is None:
        return f"{path}: not in the manifest; raw data is what ingest wrote and nothing else. Remove it"
    if received is None:
        return f"{path}: in the manifest but missing; run the ingest step again"
    return (
        f"{path}: changed since ingest; run the ingest step again. Manifest: {expected.bytes} bytes, sha256 "
        f"{expected.sha256}. Received: {received.bytes} bytes, sha256 {received.sha256}"
    )
