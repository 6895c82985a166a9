"""Your own interaction log: CSV, TSV (also gzipped) or Parquet, one file or many, with a column mapping.

`fetch` copies what the patterns find below the inbox into `interactions/`, `items/` and `users/` of the raw folder; a
file that the pattern of the items or users finds is no part of the log, so `*.csv` may stand beside `items.csv`.
`read` maps the log's own column names onto ours; files are read in the order of their sorted names. A file that lacks
a mapped column stops the reading. Columns that nothing maps are not read, and are named in the summary; of a user
table all columns are kept.

Ids may be strings or integers and are taken literally: `7`, `07` and `7.0` are three ids. Parquet ids must therefore
be strings or integers, never floats (which is what integers with gaps become in pandas).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset.schema import CATEGORIES, ITEM, USER
from dataset.sources import delimited
from dataset.sources.records import Dialect
from dataset.sources.tables import RawTable, SourceError, Tables, concatenate, rename, require
from dataset.sources.text import raw_table

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
PARQUET: Final = ".parquet"


def fetch(raw: Path, inbox: Path, *, interactions: str, items: str, users: str) -> None:
    """Copies the files that each pattern finds below `inbox` into the folder of its role.

    Raises:
        SourceError: a pattern leaves the inbox, finds nothing, or finds a file that is neither CSV nor Parquet.
    """
    tables = {
        role: _find(inbox, pattern, role) if pattern else [] for role, pattern in (("items", items), ("users", users))
    }
    others = {path for paths in tables.values() for path in paths}
    tables["interactions"] = [path for path in _find(inbox, interactions, "interactions") if path not in others]
    if not tables["interactions"]:
        raise SourceError(f"ingest.files.interactions: {interactions!r} finds only files of the item or user table")
    for role, paths in tables.items():
        for path in paths:
            target = raw / role / path.relative_to(inbox)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def read(
    raw: Path,
    *,
    interactions: Mapping[str, str],
    items: Mapping[str, str],
    user_id: str,
    category_separator: str,
) -> Tables:
    """Reads the raw folder.

    Args:
        raw: what `fetch` filled.
        interactions: the log's column name -> ours.
        items: the item table's column name -> ours (or the same name for a numeric column).
        user_id: name of the user column in the user table; its other columns are carried along as they are.
        category_separator: stands between two categories; a Parquet column may hold lists instead.

    Raises:
        SourceError: a file lacks a column or cannot be read.
    """
    users = _files(raw, "users")
    return Tables(
        interactions=_read(raw, _files(raw, "interactions"), interactions, category_separator),
        items=_read(raw, found, items, category_separator) if (found := _files(raw, "items")) else None,
        users=_read(raw, users, _user_names(users[0], user_id), category_separator) if users else None,
        category_separator=category_separator,
    )


def _find(inbox: Path, pattern: str, role: str) -> list[Path]:
    key = f"ingest.files.{role}"
    if not pattern or pattern.startswith("/") or ".." in PurePosixPath(pattern).parts:
        raise SourceError(f"{key}: must be a file name or glob below {inbox}. Received: {pattern!r}")
    found = sorted(path for path in inbox.glob(pattern) if path.is_file() and not path.name.startswith("."))
    if not found:
        raise SourceError(f"{key}: no file in {inbox} matches {pattern!r}; put your log there or change the pattern")
    for path in found:
        if _kind(path) not in (*DELIMITERS, PARQUET):
            raise SourceError(f"{path}: must be .csv, .tsv (also .gz) or .parquet, as found by {key}: {pattern!r}")
    return found


def _kind(path: Path) -> str:
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def _files(raw: Path, role: str) -> list[Path]:
    return sorted(path for path in (raw / role).rglob("*") if path.is_file())


def _user_names(path: Path, user_id: str) -> dict[str, str]:
    """Every column of the user table -> itself, but for the id; the first file says which there are."""
    columns = [name for name in _header(path) if name != user_id]
    if USER in columns:
        raise SourceError(f"{path}: column {USER!r} stands beside {user_id!r}, which prepare.columns maps onto it")
    return {user_id: USER} | {name: name for name in columns}


def _read(raw: Path, paths: list[Path], names: Mapping[str, str], category_separator: str) -> RawTable:
    return concatenate([_read_file(raw, path, names, category_separator) for path in paths])


def _read_file(raw: Path, path: Path, names: Mapping[str, str], category_separator: str) -> RawTable:
    label = path.relative_to(raw).as_posix()
    if _kind(path) == PARQUET:
        return _read_parquet(path, label, names, category_separator)
    multiline = not label.startswith("interactions/")
    dialect = Dialect(DELIMITERS[_kind(path)], quoted=True, multiline=multiline)
    return delimited.read(path, label, names, dialect)


def _header(path: Path) -> tuple[str, ...]:
    if _kind(path) != PARQUET:
        return delimited.header(path, Dialect(DELIMITERS[_kind(path)], quoted=True, multiline=True))
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path}: cannot be read as Parquet: {error}") from error


def _read_parquet(path: Path, label: str, names: Mapping[str, str], category_separator: str) -> RawTable:
    present = _header(path)
    require(path, present, names)
    try:
        table = pq.read_table(path, columns=list(names))
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path}: cannot be read as Parquet: {error}") from error
    texts = {name: _text(path, name, names[name], table[name], category_separator) for name in names}
    ignored = tuple(sorted(set(present) - names.keys()))
    numbers = np.arange(1, len(table) + 1, dtype=np.int64)
    return rename(raw_table(label, pa.table(texts), numbers, lost=(), ignored=ignored, notes=()), names)


def _text(path: Path, name: str, ours: str, column: pa.ChunkedArray, category_separator: str) -> pa.ChunkedArray:
    """A Parquet column as the bytes of its text; lists of categories are joined."""
    if ours in (USER, ITEM) and not _is_id(column.type):
        raise SourceError(f"{path}: column {name!r}: ids must be strings or integers. Received: {column.type}")
    try:
        if ours == CATEGORIES and pa.types.is_nested(column.type):
            column = _joined(path, name, column.cast(pa.list_(pa.string())), category_separator)
        return column.cast(pa.string()).cast(pa.binary())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceError(f"{path}: column {name!r}: cannot be read as text: {error}") from error


def _joined(path: Path, name: str, lists: pa.ChunkedArray, category_separator: str) -> pa.ChunkedArray:
    if pc.any(pc.match_substring(pc.list_flatten(lists), category_separator)).as_py():
        raise SourceError(
            f"{path}: column {name!r}: a category holds {category_separator!r}; set prepare.category_separator to "
            "something that no category holds"
        )
    return pc.binary_join(lists, category_separator)


def _is_id(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))
