"""ingest: the source's files, as they came, into the raw folder, with a manifest; read-only from then on."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import durable
import params
from dataset import manifest
from dataset.sources import files, movielens, movielens_zip


@dataclass(frozen=True)
class IngestSummary:
    """What came in."""

    source: str
    files: int
    bytes: int


def ingest(*, inbox: Path, raw: Path, settings: params.Ingest) -> IngestSummary:
    """Fetches the source into `raw` as a whole: on any failure an earlier raw folder stays as it was.

    Args:
        inbox: where the user's own files lie (source `files`).
        raw: replaced by the source's files and `manifest.json`, all of them read-only.
        settings: which source, and where it is.

    Raises:
        dataset.sources.tables.SourceError: the source cannot be fetched.
    """
    raw.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=raw.parent, prefix=f".{raw.name}."))
    try:
        _fetch(fresh, inbox, settings)
        described = manifest.write(fresh, settings.source)
        _protect(fresh)
        _replace(raw, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return IngestSummary(settings.source, len(described.files), sum(entry.bytes for entry in described.files.values()))


def _fetch(folder: Path, inbox: Path, settings: params.Ingest) -> None:
    match settings.source:
        case "movielens-100k":
            movielens.fetch(folder)
        case "movielens-zip":
            movielens_zip.fetch(folder, settings.location)
        case "files":
            chosen = settings.files
            files.fetch(folder, inbox, interactions=chosen.interactions, items=chosen.items, users=chosen.users)


def _protect(folder: Path) -> None:
    """Raw data is immutable: files are read-only; folders stay writable so that DVC can replace the whole."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)


def _replace(raw: Path, fresh: Path) -> None:
    """Puts `fresh` in the place of `raw`; a folder cannot be swapped in one call, so the old one steps aside first."""
    aside = fresh.with_name(f"{fresh.name}.old")
    if raw.exists():
        raw.replace(aside)
    try:
        fresh.replace(raw)
    except OSError:
        if aside.exists():
            aside.replace(raw)
        raise
    durable.sync_folder(raw.parent)
    shutil.rmtree(aside, ignore_errors=True)
