"""MovieLens-1M and later, from the zip that GroupLens publishes: by URL or from a local path.

Two layouts are known: `ratings.dat` and `movies.dat` with `::` between fields (1M, 10M; 1M also has `users.dat`), and
`ratings.csv` and `movies.csv` (latest, latest-small, 20M, 25M, 32M). Only these files are taken out of the archive, by
name, so nothing else in it can reach the disk; links, other paths and sizes beyond `BYTES_LIMIT` are refused.

A download is kept in the cache under a name made from its URL, and a second fetch uses it without asking the network;
delete the file to fetch a newer edition. Films carry their year in the title, "Toy Story (1995)"; `read` takes it out.

Reference: F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context.
https://doi.org/10.1145/2827872
"""

import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataset.sources import delimited
from dataset.sources.download import download
from dataset.sources.records import Dialect
from dataset.sources.tables import RawTable, SourceError, Tables

BYTES_LIMIT: Final = 4_000_000_000
"""Unpacked size of one file; ratings.csv of the largest edition has under 1 GB."""
WANTED: Final = ("ratings.dat", "movies.dat", "users.dat", "ratings.csv", "movies.csv")
LAYOUTS: Final = (("ratings.dat", "movies.dat"), ("ratings.csv", "movies.csv"))
SEPARATOR: Final = "\x1f"
"""Stands for `::` while a .dat file is parsed: a delimiter is one character, and this one is in no title."""

RATINGS_CSV: Final = {"userId": "user_id", "movieId": "item_id", "rating": "weight", "timestamp": "timestamp"}
FILMS_CSV: Final = {"movieId": "item_id", "title": "title", "genres": "categories"}
RATINGS_DAT: Final = ("user_id", "item_id", "weight", "timestamp")
FILMS_DAT: Final = ("item_id", "title", "categories")
USERS_DAT: Final = ("user_id", "gender", "age", "occupation", "zip_code")
YEAR: Final = r"^(?s:(?P<title>.*?))\s*\((?P<year>\d{4})\)\s*$"
DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What a flipped byte can lead to; RuntimeError is said of encryption and of unknown compression."""
NO_GENRES: Final = "(no genres listed)"


def fetch(raw: Path, location: str) -> None:
    """Unpacks the tables of the zip at `location` into `raw`.

    Args:
        raw: an empty folder.
        location: an https URL, or the path of a zip on this machine.

    Raises:
        SourceError: it cannot be had, is no MovieLens zip, or is not safe to unpack.
    """
    if not location:
        raise SourceError("ingest.location must be the URL or the path of a GroupLens zip. Received: ''")
    path = download(location) if "://" in location else Path(location)
    if not path.is_file():
        raise SourceError(f"{path}: ingest.location names no file")
    try:
        with zipfile.ZipFile(path) as archive:
            for name, member in _members(path, archive).items():
                _unpack(path, archive, member, raw / name)
    except DAMAGE as error:
        raise SourceError(f"{path}: the zip is damaged ({error}); delete it and fetch it again") from error


def read(raw: Path) -> Tables:
    """Reads what `fetch` put into `raw`."""
    if (raw / "ratings.csv").is_file():
        films = _read_csv(raw, "movies.csv", FILMS_CSV)
        return Tables(_read_csv(raw, "ratings.csv", RATINGS_CSV), _with_years(films), None, category_separator="|")
    users = _read_dat(raw, "users.dat", USERS_DAT) if (raw / "users.dat").is_file() else None
    films = _read_dat(raw, "movies.dat", FILMS_DAT)
    return Tables(_read_dat(raw, "ratings.dat", RATINGS_DAT), _with_years(films), users, category_separator="|")


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """File name -> the one member of that name which is wanted."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = PurePosixPath(member.filename).name
        if name not in WANTED or member.is_dir():
            continue
        _refuse_unsafe(path, member)
        if name in members:
            raise SourceError(f"{path}: {name} is in the zip twice: {members[name].filename}, {member.filename}")
        members[name] = member
    complete = [layout for layout in LAYOUTS if set(layout) <= members.keys()]
    if len(complete) != 1:
        raise SourceError(
            f"{path}: a MovieLens zip holds ratings.dat and movies.dat, or ratings.csv and movies.csv. "
            f"Received: {sorted(members) or [member.filename for member in archive.infolist()][:10]}"
        )
    return members


def _refuse_unsafe(path: Path, member: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(member.filename).parts
    if ".." in parts or member.filename.startswith("/") or "\\" in member.filename or len(parts) > 2:
        raise SourceError(f"{path}: unsafe path in the zip: {member.filename!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise SourceError(f"{path}: {member.filename!r} is a link; a zip of tables has none")
    if member.header_offset < 0:
        raise zipfile.BadZipFile(f"{member.filename!r} lies before the file's first byte")
    if member.file_size > BYTES_LIMIT:
        raise SourceError(f"{path}: {member.filename!r} has {member.file_size:,} bytes, over {BYTES_LIMIT:,}")


def _unpack(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Writes one member, counting bytes as they come: the size in the zip's directory may be a lie."""
    written = 0
    with archive.open(member) as source, target.open("wb") as file:
        while chunk := source.read(1 << 20):
            written += len(chunk)
            if written > min(BYTES_LIMIT, member.file_size):
                raise SourceError(
                    f"{path}: {member.filename!r} unpacks to more than the {member.file_size:,} it states"
                )
            file.write(chunk)


def _read_csv(raw: Path, name: str, names: Mapping[str, str]) -> RawTable:
    return delimited.read(raw / name, name, names, Dialect(delimiter=",", quoted=True, multiline=False))


def _read_dat(raw: Path, name: str, columns: tuple[str, ...]) -> RawTable:
    data = (raw / name).read_bytes()
    # 1M is Latin-1, 10M is UTF-8, and Latin-1 text with an accent is practically never valid UTF-8.
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        data = data.decode("latin-1").encode()
    data = data.replace(b"::", SEPARATOR.encode())
    dialect = Dialect(delimiter=SEPARATOR, quoted=False, multiline=False, header=columns)
    return delimited.read(raw / name, name, {column: column for column in columns}, dialect, data=data)


def _with_years(films: RawTable) -> RawTable:
    """Title and year apart; a title without a year keeps all of itself."""
    parts = pc.extract_regex(films.columns["title"], YEAR)
    title = pc.coalesce(pc.struct_field(parts, "title"), films.columns["title"])
    genres = films.columns["categories"]
    columns = {
        "item_id": films.columns["item_id"],
        "title": title,
        "year": pc.struct_field(parts, "year"),
        "categories": pc.if_else(pc.equal(genres, NO_GENRES), "", genres),
    }
    return replace(films, columns=pa.table(columns), headings={**films.headings, "year": films.headings["title"]})
