"""The door: which rows of a raw table may enter, and why the others may not.

Three things keep a row out, each with a reason that stands beside it in quarantine: the reader could make no record of
it (column_count, not_utf8: `dataset.sources`), a value breaks a rule (`dataset.rules`), or it repeats an earlier good
row (duplicate: the same user, item, timestamp and event, or the same id in an item or user table).

Nothing is repaired. Values of good rows are only converted: timestamps to whole seconds (rounded down), weights to
float32. `refuse` stops when more is kept out than can be an accident.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from dataset import rules, timestamps
from dataset.schema import EVENT, ITEM, TIMESTAMP, USER, WEIGHT, YEAR
from dataset.sources.tables import VALUE_LENGTH, RawTable


class CheckError(ValueError):
    """A table as a whole may not enter; the message names file, row, column and rule."""


@dataclass(frozen=True)
class Checked:
    """A table that was let in, and what was kept out of it."""

    rows: pd.DataFrame
    """Good rows, typed, under our names; a log in time order (ties in file order), other tables in file order."""
    defects: pd.DataFrame
    """One line for each rule that a row breaks, with `DEFECT_COLUMNS`; columns as the file calls them."""
    total: int
    """Rows that were in the files, good and bad."""

    @property
    def bad(self) -> int:
        """How many rows were kept out; a row counts once however many rules it breaks."""
        return _distinct(self.defects)


def interactions(raw: RawTable, *, unit: str, latest: int, min_weight: float) -> Checked:
    """Checks a log.

    Args:
        raw: user_id, item_id, timestamp and, where mapped, weight and event_type, as text.
        unit: s, ms, us, iso or auto.
        latest: no interaction may be after this moment, seconds since 1970-01-01 UTC.
        min_weight: no weight may be below.

    Returns:
        Rows with all of `INTERACTION_COLUMNS`: weight 1.0 and an empty event type where the log has none.

    Raises:
        CheckError: rows disagree about the unit of their timestamps.
    """
    text = _text(raw)
    moments = timestamps.parse(text[TIMESTAMP], unit)
    if moments.odd is not None:
        raise CheckError(_mixed_units(raw, text, moments.unit, moments.odd))
    typed = text.assign(**{TIMESTAMP: moments.microseconds})
    if WEIGHT in text:
        typed[WEIGHT] = timestamps.number(text[WEIGHT])
    if EVENT in text:
        typed[EVENT] = text[EVENT].fillna("")
    schema = rules.interactions([str(name) for name in typed], latest=latest, min_weight=min_weight)
    checked = _check(raw, text, typed, schema, [USER, ITEM, TIMESTAMP, EVENT])
    # Full resolution orders the rows of one second; only then is it given up.
    rows = checked.rows.sort_values(TIMESTAMP, kind="stable")
    rows[TIMESTAMP] //= timestamps.SECOND
    rows[WEIGHT] = rows[WEIGHT].astype(np.float32) if WEIGHT in rows else np.float32(1)
    rows[EVENT] = rows[EVENT] if EVENT in rows else pd.Series("", rows.index, rules.STRING)
    return Checked(rows, checked.defects, checked.total)


def items(raw: RawTable, *, numeric: tuple[str, ...]) -> Checked:
    """Checks an item table: item_id and, where mapped, title, categories, year, text and numeric columns.

    Fields other than the id may be empty: "" for a text, NaN for a year or a number.
    """
    text = _text(raw)
    numbers = {YEAR, *numeric} & set(text)
    typed = text.fillna("").assign(**{ITEM: text[ITEM]}, **{name: timestamps.number(text[name]) for name in numbers})
    return _check(raw, text, typed, rules.items(text), [ITEM])


def users(raw: RawTable) -> Checked:
    """Checks a user table: user_id and columns of its own, which stay text, "" where empty."""
    text = _text(raw)
    return _check(
        raw, text, text.fillna("").assign(**{USER: text[USER]}), rules.users([str(name) for name in text]), [USER]
    )


def refuse(name: str, checked: Checked, max_bad_share: float) -> None:
    """Stops when more than `max_bad_share` of a table's rows are bad, or none is good.

    Raises:
        CheckError: with the counts by rule and the first row of each.
    """
    if not checked.total:
        raise CheckError(f"{name}: rule no_rows: the files hold headers and nothing else; put rows into them")
    if len(checked.rows) and checked.bad / checked.total <= max_bad_share:
        return
    reasons = [
        f"  rule {rule}, {len(rows)} rows. First: file {rows['file'].iloc[0]}, row {rows['row'].iloc[0]}, "
        f"column {rows['column'].iloc[0] or '(whole row)'}, received {rows['value'].iloc[0]!r}"
        for rule, rows in checked.defects.groupby("rule", sort=False)
    ]
    raise CheckError(
        f"{name}: {checked.bad} of {checked.total} rows break a rule ({checked.bad / checked.total:.2%}), and "
        f"prepare.max_bad_share allows {max_bad_share:.2%}. Repair the source, or raise the share to go on without "
        "these rows (they are then listed in quarantine.parquet).\n" + "\n".join(reasons)
    )


def _text(raw: RawTable) -> pd.DataFrame:
    return cast(pd.DataFrame, raw.columns.to_pandas(types_mapper=lambda _: rules.STRING))


def _check(
    raw: RawTable, text: pd.DataFrame, typed: pd.DataFrame, schema: pa.DataFrameSchema, key: list[str]
) -> Checked:
    """Splits `typed` (converted from `text`, row by row) into good rows and defects."""
    failures = _failures(schema, typed)
    good = np.ones(len(typed), np.bool_)
    good[failures["position"]] = False
    rows = typed[good]
    names = [name for name in key if name in rows]
    repeated = rows.index[_repeats(rows[names])].to_numpy(np.int64)
    defects = [raw.defects, _described(raw, text, failures), _duplicates(raw, text[names], repeated)]
    return Checked(
        rows.drop(index=list(repeated)), pd.concat(defects, ignore_index=True), len(typed) + _distinct(raw.defects)
    )


def _failures(schema: pa.DataFrameSchema, typed: pd.DataFrame) -> pd.DataFrame:
    """position, column and rule of each value that breaks a rule, in the order of the rows."""
    try:
        schema.validate(typed, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        if cases["index"].isna().any():
            raise CheckError(f"the table does not have the form of its schema: {error}") from error
        found = pd.DataFrame(
            {
                "position": cases["index"].astype(np.int64),
                "column": cases["column"],
                "rule": cases["check"].replace("not_nullable", "missing"),
            }
        )
        return found.sort_values("position", kind="stable", ignore_index=True)
    return pd.DataFrame({"position": np.zeros(0, np.int64), "column": "", "rule": ""})


def _repeats(keys: pd.DataFrame) -> npt.NDArray[np.bool_]:
    # As codes, because hashing four numbers is several times faster than four strings.
    codes = {name: pd.factorize(keys[name])[0] for name in keys}
    return pd.DataFrame(codes).duplicated().to_numpy()


def _described(raw: RawTable, text: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """Failures as defects: with file and row, and the value as it stands in the file."""
    parts = []
    for name, found in failures.groupby("column", sort=False):
        position = found["position"].to_numpy()
        value = text[str(name)].iloc[position].fillna("").astype(object)
        part = _placed(raw, position).assign(column=raw.headings[str(name)], rule=found["rule"].to_numpy())
        part["value"] = value.str.slice(0, VALUE_LENGTH).to_numpy()
        if name in (TIMESTAMP, WEIGHT):  # there, nothing at all was read as an unreadable something
            part.loc[part["value"].isin(rules.NOTHING), "rule"] = "missing"
        parts.append(part)
    return pd.concat(parts, ignore_index=True).drop_duplicates() if parts else raw.defects.iloc[:0]


def _duplicates(raw: RawTable, keys: pd.DataFrame, position: npt.NDArray[np.int64]) -> pd.DataFrame:
    value = keys.iloc[position].fillna("").astype(object).agg(" ".join, axis=1) if len(position) else ""
    return _placed(raw, position).assign(column="", rule="duplicate", value=np.asarray(value, object))


def _placed(raw: RawTable, position: npt.NDArray[np.int64]) -> pd.DataFrame:
    return pd.DataFrame({"file": np.array(raw.files, object)[raw.file[position]], "row": raw.row[position]})


def _distinct(defects: pd.DataFrame) -> int:
    return len(defects[["file", "row"]].drop_duplicates())


def _mixed_units(raw: RawTable, text: pd.DataFrame, unit: str, odd: int) -> str:
    return (
        f"{raw.files[raw.file[odd]]}: row {raw.row[odd]}: column {raw.headings[TIMESTAMP]}: rule mixed_units: all "
        f"timestamps of a log must have one unit, and most of these have {unit}. Received: "
        f"{text[TIMESTAMP].iloc[odd]!r}. Convert the odd ones, or state prepare.timestamp_unit, which quarantines them"
    )
