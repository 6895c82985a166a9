"""The item and user tables of a prepared log: one row for each id that can be met, whatever the source knew of it."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from dataset.schema import CATEGORIES, ITEM, TEXT, TITLE, USER, YEAR


def items(rows: pd.DataFrame, met: "pd.Series[str]", *, separator: str, numeric: tuple[str, ...]) -> pa.Table:
    """The catalogue, sorted by id.

    Args:
        rows: checked item rows (item_id and whichever other columns the source has); may be empty.
        met: item ids of the interactions; those that `rows` lacks get a row with the id as title.
        separator: stands between two categories in the raw text.
        numeric: numeric columns to carry along, NaN where unknown.

    Returns:
        `dataset.schema.ITEM_COLUMNS` and the numeric ones.
    """
    table = _complete(rows, met, ITEM)
    title = _words(table, TITLE)
    columns = {
        ITEM: pa.array(table[ITEM].to_numpy(object), pa.string()),
        TITLE: pa.array(title.where(title.str.strip() != "", table[ITEM]).to_numpy(object), pa.string()),
        CATEGORIES: pa.array([_split(text, separator) for text in _words(table, CATEGORIES)], pa.list_(pa.string())),
        YEAR: pa.array(_numbers(table, YEAR), pa.float64(), from_pandas=True).cast(pa.int32()),
        TEXT: pa.array(_words(table, TEXT).to_numpy(object), pa.string()),
    }
    return pa.table(columns | {name: pa.array(_numbers(table, name), pa.float64()) for name in numeric})


def users(rows: pd.DataFrame, met: "pd.Series[str]") -> pa.Table:
    """user_id and the source's own columns as text ("" where unknown), sorted by id; each user of `met` has a row."""
    table = _complete(rows, met, USER)
    return pa.table(
        {name: pa.array(_words(table, name).to_numpy(object), pa.string()) for name in map(str, table.columns)}
    )


def _complete(rows: pd.DataFrame, met: "pd.Series[str]", key: str) -> pd.DataFrame:
    known = rows if key in rows else pd.DataFrame({key: met.iloc[:0]})
    unknown = pd.DataFrame({key: met.drop_duplicates()})
    unknown = unknown[~unknown[key].isin(known[key])]
    return pd.concat([known, unknown], ignore_index=True).sort_values(key, ignore_index=True)


def _words(table: pd.DataFrame, name: str) -> "pd.Series[str]":
    return table[name].fillna("") if name in table else pd.Series("", table.index)


def _numbers(table: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    return table[name].to_numpy(np.float64) if name in table else np.full(len(table), np.nan)


def _split(text: str, separator: str) -> list[str]:
    """Distinct categories in their order; blanks fall away."""
    parts = (part.strip() for part in text.split(separator or None))
    return list(dict.fromkeys(part for part in parts if part))
