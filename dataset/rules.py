"""What a value must be: pandera schemas, one rule a name.

| rule | a value breaks it when |
|---|---|
| missing | an id, a timestamp or a mapped weight is empty or a word for nothing, such as NaN or null |
| control_character | an id holds NUL, another control character or a byte order mark |
| outer_space | an id begins or ends with white space |
| reserved | an id is a name the vocabulary needs for itself |
| nul_character | a text holds NUL |
| not_a_number, not_finite, below_minimum | a weight or numeric column is text, infinite (or NaN), or too small |
| not_a_timestamp, too_early, in_the_future | a timestamp is unreadable, before 1973-03-03 or after the latest allowed |
| not_a_year | a year is no whole number from 1 to 9999 |

A schema is made for columns that are already converted: ids and texts are strings, timestamps microseconds
(`timestamps.MISSING` where unreadable), numbers float64 (NaN where unreadable).
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
import pandera.pandas as pa

from dataset import timestamps
from dataset.schema import CATEGORIES, EVENT, ITEM, TEXT, TIMESTAMP, TITLE, USER, WEIGHT, YEAR
from dataset.vocabulary import RESERVED

STRING: Final = pd.StringDtype("pyarrow")
NOTHING: Final = ("", "nan", "NaN", "NAN", "null", "NULL", "Null", "None", "<NA>", "NaT")
"""Texts that say there is no value; ids among them are missing, not names."""
CONTROL: Final = "[\x00-\x1f\x7f\ufeff]"

Test = Callable[["pd.Series[float]"], "pd.Series[bool]"]
"""Which values of a column keep a rule."""


def interactions(columns: list[str], *, latest: int, min_weight: float) -> pa.DataFrameSchema:
    """A log with these columns of ours; no moment after `latest` (seconds), no weight below `min_weight`."""
    beyond = (latest + 1) * timestamps.SECOND
    moment = [
        _rule("not_a_timestamp", lambda micros: micros.ne(timestamps.MISSING)),
        _rule("too_early", lambda micros: micros.eq(timestamps.MISSING) | micros.ge(timestamps.EARLIEST)),
        _rule("in_the_future", lambda micros: micros.lt(beyond)),
    ]
    weight = [
        _rule("not_a_number", lambda values: values.notna(), on_missing=True),
        _rule("not_finite", lambda values: values.abs().le(float(np.finfo(np.float32).max))),
        _rule("below_minimum", lambda values: values.ge(min_weight)),
    ]
    known = {
        USER: _id(),
        ITEM: _id(),
        TIMESTAMP: pa.Column(np.int64, moment),
        WEIGHT: pa.Column(np.float64, weight, nullable=True),
        EVENT: _words(),
    }
    return pa.DataFrameSchema({name: known[name] for name in columns}, strict=True)


def items(text: pd.DataFrame) -> pa.DataFrameSchema:
    """An item table with these columns of ours, as raw text; columns we have no name for are numbers."""
    known = {ITEM: _id(), TITLE: _words(), CATEGORIES: _words(), TEXT: _words()}
    columns = {
        name: known.get(name) or _number(text[name], "not_a_year" if name == YEAR else "not_a_number")
        for name in map(str, text.columns)
    }
    if YEAR in columns:
        years = _rule("not_a_year", lambda years: years.between(1, 9999) & years.mod(1).eq(0))
        columns[YEAR].checks.append(years)
    return pa.DataFrameSchema(columns, strict=True)


def users(columns: list[str]) -> pa.DataFrameSchema:
    """A user table: an id and texts."""
    return pa.DataFrameSchema({name: _id() if name == USER else _words() for name in columns}, strict=True)


def _rule(name: str, test: Test, *, on_missing: bool = False) -> pa.Check:
    return pa.Check(test, name=name, error=name, ignore_na=not on_missing)


def _id() -> pa.Column:
    checks = [
        pa.Check(lambda ids: ~ids.isin(NOTHING), error="missing"),
        pa.Check(lambda ids: ~ids.str.contains(CONTROL), error="control_character"),
        pa.Check(lambda ids: ids.str.strip() == ids, error="outer_space"),
        pa.Check(lambda ids: ~ids.isin(RESERVED), error="reserved"),
    ]
    return pa.Column(STRING, checks)


def _words() -> pa.Column:
    return pa.Column(STRING, pa.Check(lambda words: ~words.str.contains("\x00", regex=False), error="nul_character"))


def _number(text: "pd.Series[str]", rule: str) -> pa.Column:
    """A nullable number: an empty field is allowed, any other text is not."""
    empty = (text.fillna("") == "").to_numpy(bool)
    checks = [
        _rule(rule, lambda values: values.notna() | empty, on_missing=True),
        _rule("not_finite", lambda values: values.abs().ne(np.inf)),
    ]
    return pa.Column(np.float64, checks, nullable=True)
