"""prepare: raw files in, schema-checked tables out, and every row that was kept out with its reason."""

import datetime
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pandas as pd
import pyarrow as pa

import durable
import params
from dataset import catalogue, checks, manifest
from dataset.checks import Checked, CheckError
from dataset.core import core
from dataset.schema import EVENT, ITEM, TIMESTAMP, USER, WEIGHT
from dataset.sources import files, mapping, movielens, movielens_zip
from dataset.sources.tables import RawTable, SourceError, Tables

log = logging.getLogger(__name__)

INTERACTIONS: Final = pa.schema(
    [
        (USER, pa.string()),
        (ITEM, pa.string()),
        (TIMESTAMP, pa.int64()),
        (WEIGHT, pa.float32()),
        (EVENT, pa.string()),
    ]
)
QUARANTINE: Final = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("rule", pa.string()),
        ("value", pa.string()),
    ]
)


@dataclass(frozen=True)
class TableSummary:
    """What became of one table."""

    rows: int
    """In the files, good and bad."""
    good: int
    bad: int
    bad_by_rule: dict[str, int]
    """Rule -> how often it is broken; a row may break several."""
    ignored_columns: tuple[str, ...]
    """Columns of the files that nothing maps."""
    notes: tuple[str, ...]
    """Oddities that were met and handled, such as a byte order mark."""


@dataclass(frozen=True)
class PrepareSummary:
    """What was let in."""

    source: str
    tables: dict[str, TableSummary]
    """interactions and, where the source has them, items and users."""
    distinct_users: int
    distinct_items: int
    catalogue_items: int
    """Items in the log or in the item table."""
    first_timestamp: int
    last_timestamp: int
    outside_core: int
    """Good interactions that were left out because their user or item has too few."""


def prepare(*, raw: Path, prepared: Path, settings: params.Prepare) -> PrepareSummary:
    """Checks the raw tables and writes interactions, items, users and quarantine .parquet and summary.json.

    Nothing is written when the raw folder is not what its manifest says, or too many rows are bad.

    Raises:
        dataset.manifest.ManifestError: a raw file changed, is missing or is extra.
        dataset.sources.tables.SourceError: a file cannot be read or lacks a column.
        dataset.checks.CheckError: more than `settings.max_bad_share` of a table is bad, or its time units are mixed.
    """
    source = manifest.verify(raw).source
    tables = _read(raw, source, settings)
    numeric = tuple(settings.columns.numeric) if source == "files" else ()
    checked = _check(tables, numeric, settings)
    for name, table in checked.items():
        checks.refuse(name, table, settings.max_bad_share)
    summaries = {name: _summarise(name, table, checked[name]) for name, table in _present(tables).items()}
    rows = _core(checked["interactions"].rows, settings)
    items = catalogue.items(_rows(checked, "items"), rows[ITEM], separator=tables.category_separator, numeric=numeric)
    _write(prepared, rows, items, catalogue.users(_rows(checked, "users"), rows[USER]), checked)
    summary = PrepareSummary(
        source=source,
        tables=summaries,
        distinct_users=int(rows[USER].nunique()),
        distinct_items=int(rows[ITEM].nunique()),
        catalogue_items=len(items),
        first_timestamp=int(rows[TIMESTAMP].iloc[0]),
        last_timestamp=int(rows[TIMESTAMP].iloc[-1]),
        outside_core=len(checked["interactions"].rows) - len(rows),
    )
    durable.write_json(prepared / "summary.json", summary)
    return summary


def _read(raw: Path, source: str, settings: params.Prepare) -> Tables:
    match source:
        case "movielens-100k":
            return movielens.read(raw)
        case "movielens-zip":
            return movielens_zip.read(raw)
        case "files":
            columns = settings.columns
            theirs = {name: value for name, value in msgspec.structs.asdict(columns).items() if name != "numeric"}
            return files.read(
                raw,
                interactions=mapping.interactions(theirs),
                items=mapping.items(theirs, tuple(columns.numeric)),
                user_id=columns.user_id,
                category_separator=settings.category_separator,
            )
    raise SourceError(f"{raw}: unknown source {source!r} in the manifest; run the ingest step again")


def _present(tables: Tables) -> dict[str, RawTable]:
    found = {"interactions": tables.interactions, "items": tables.items, "users": tables.users}
    return {name: table for name, table in found.items() if table is not None}


def _check(tables: Tables, numeric: tuple[str, ...], settings: params.Prepare) -> dict[str, Checked]:
    checked = {
        "interactions": checks.interactions(
            tables.interactions,
            unit=settings.timestamp_unit,
            latest=_seconds(settings.latest_timestamp),
            min_weight=settings.min_weight,
        )
    }
    if tables.items is not None:
        checked["items"] = checks.items(tables.items, numeric=numeric)
    if tables.users is not None:
        checked["users"] = checks.users(tables.users)
    return checked


def _core(rows: pd.DataFrame, settings: params.Prepare) -> pd.DataFrame:
    """The log without users and items that have too few interactions."""
    user, item = (pd.factorize(rows[name])[0] for name in (USER, ITEM))
    least = {"min_user": settings.min_user_interactions, "min_item": settings.min_item_interactions}
    left = rows[core(user, item, **least)]
    if left.empty:
        raise CheckError(
            "prepare.min_user_interactions and prepare.min_item_interactions leave no interaction of "
            f"{len(rows)}. Received: {least['min_user']} and {least['min_item']}"
        )
    return left


def _seconds(moment: str) -> int:
    """A moment in ISO 8601, with its offset, in seconds since 1970-01-01 UTC."""
    try:
        parsed = datetime.datetime.fromisoformat(moment)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise CheckError(
            f"prepare.latest_timestamp: must be ISO 8601 with an offset, such as 2035-01-01T00:00:00Z. "
            f"Received: {moment!r}"
        )
    return int(parsed.timestamp())


def _summarise(name: str, raw: RawTable, checked: Checked) -> TableSummary:
    if raw.ignored:
        log.warning("%s: columns that nothing maps are ignored: %s", name, ", ".join(raw.ignored))
    for note in raw.notes:
        log.warning("%s: %s", name, note)
    if checked.bad:
        log.warning("%s: %d of %d rows go to quarantine.parquet", name, checked.bad, checked.total)
    counts = Counter(checked.defects["rule"])
    return TableSummary(
        rows=checked.total,
        good=len(checked.rows),
        bad=checked.bad,
        bad_by_rule=dict(sorted(counts.items())),
        ignored_columns=raw.ignored,
        notes=raw.notes,
    )


def _rows(checked: dict[str, Checked], name: str) -> pd.DataFrame:
    return checked[name].rows if name in checked else pd.DataFrame()


def _write(prepared: Path, rows: pd.DataFrame, items: pa.Table, users: pa.Table, checked: dict[str, Checked]) -> None:
    defects = pd.concat([table.defects for table in checked.values()], ignore_index=True)
    tables = {
        "interactions": pa.Table.from_pandas(rows, INTERACTIONS, preserve_index=False).replace_schema_metadata(),
        "items": items,
        "users": users,
        "quarantine": pa.Table.from_pandas(defects, QUARANTINE, preserve_index=False).replace_schema_metadata(),
    }
    for name, table in tables.items():
        durable.write_parquet(prepared / f"{name}.parquet", table)
