"""One file from the network into the cache: streamed, with a progress bar, whole or not at all."""

import hashlib
import logging
import os
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

import durable
from dataset.sources.tables import SourceError

log = logging.getLogger(__name__)

BYTES_LIMIT: Final = 2_000_000_000
SECONDS_LIMIT: Final = 30.0
"""How long the server may stay silent."""
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def cache_folder() -> Path:
    """Where downloads are kept between runs and projects: `$XDG_CACHE_HOME/podium` or `~/.cache/podium`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podium"


def download(url: str) -> Path:
    """The file behind `url`, from the cache when it was fetched before.

    Raises:
        SourceError: the URL is not https (http is allowed on loopback), or the server does not give the whole file.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise SourceError(f"ingest.location must be an https URL or a local path. Received: {url!r}")
    name = PurePosixPath(parts.path).name or "download"
    path = cache_folder() / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name}"
    if path.is_file():
        log.info("%s: taken from %s; delete that file to fetch it again", url, path)
        return path
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        _stream(url, partial)
        partial.replace(path)
    except httpx.HTTPError as error:
        raise SourceError(f"{url}: cannot be downloaded: {error or type(error).__name__}") from error
    finally:
        partial.unlink(missing_ok=True)
    durable.sync_folder(path.parent)
    return path


def _stream(url: str, target: Path) -> None:
    columns = (TextColumn("Downloading {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    with bar, httpx.stream("GET", url, timeout=SECONDS_LIMIT) as answer, target.open("wb") as file:
        if answer.status_code != httpx.codes.OK:
            raise SourceError(f"{url}: the server answers {answer.status_code} {answer.reason_phrase}")
        size = int(answer.headers.get("Content-Length", 0)) or None
        task = bar.add_task(PurePosixPath(urlsplit(url).path).name, total=size)
        received = 0
        for chunk in answer.iter_bytes():
            received += len(chunk)
            if received > BYTES_LIMIT:
                raise SourceError(f"{url}: sends more than {BYTES_LIMIT:,} bytes")
            file.write(chunk)
            bar.update(task, completed=received)
        file.flush()
        os.fsync(file.fileno())
