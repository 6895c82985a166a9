"""Timestamps of any usual kind to microseconds since 1970-01-01 UTC.

Numbers are seconds, milliseconds or microseconds; text is ISO 8601, in UTC where it names no offset. Moments lie
between 1973-03-03 and 5138-11-16, and in that span the size of a number tells its unit: 1e8 to 1e11 are seconds, 1e11
to 1e14 milliseconds, 1e14 to 1e17 microseconds. A log whose rows disagree about the unit is refused, because guessing
row by row would put some interactions a thousand times too far from where they belong.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

SECOND: Final = 1_000_000
"""Microseconds in one."""
FACTORS: Final = {"s": SECOND, "ms": 1_000, "us": 1}
"""Microseconds in one unit."""
EARLIEST: Final = 100_000_000 * SECOND
"""1973-03-03: below it, seconds cannot be told from milliseconds."""
UNITS: Final = ("", "s", "ms", "us", "iso")
BOUNDS: Final = (1e8, 1e11, 1e14, 1e17)
"""A number from BOUNDS[i - 1] and below BOUNDS[i] is in UNITS[i]."""
ISO: Final = UNITS.index("iso")
MISSING: Final = np.iinfo(np.int64).min
"""Stands for a text that is no timestamp."""


@dataclass(frozen=True)
class Moments:
    """What a text column says about time."""

    microseconds: npt.NDArray[np.int64]
    """[rows]: since 1970-01-01 UTC; MISSING where the text is no timestamp."""
    unit: str
    """s, ms, us or iso, as declared or found."""
    odd: int | None
    """First row in another unit than most; None when all agree. Nothing may be built on a column that has one."""


def parse(text: "pd.Series[str]", unit: str) -> Moments:
    """Reads a text column.

    Args:
        text: [rows], missing values allowed.
        unit: s, ms, us, iso, or auto to find out.
    """
    if unit == "iso":
        return Moments(_iso(text), unit, None)
    numbers = number(text)
    if unit != "auto":
        return Moments(_scale(numbers, unit), unit, None)
    codes = np.searchsorted(BOUNDS, numbers, side="right")
    codes[np.isnan(numbers) | (codes == len(BOUNDS))] = 0
    dates = np.full(len(text), MISSING, np.int64)
    words = np.flatnonzero(np.isnan(numbers) & text.notna().to_numpy(bool))
    if len(words):
        dates[words] = _iso(text.iloc[words])
    codes[dates != MISSING] = ISO
    return _agree(codes, numbers, dates)


def number(text: "pd.Series[str]") -> npt.NDArray[np.float64]:
    """[rows] a text column as numbers, NaN where it is none."""
    return pd.to_numeric(text.astype(object), errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _agree(codes: npt.NDArray[np.intp], numbers: npt.NDArray[np.float64], dates: npt.NDArray[np.int64]) -> Moments:
    counts = np.bincount(codes, minlength=len(UNITS))
    counts[0] = 0
    if not counts.any():
        return Moments(np.full(len(codes), MISSING, np.int64), "s", None)
    most = int(counts.argmax())
    others = np.flatnonzero((codes != 0) & (codes != most))
    odd = int(others[0]) if len(others) else None
    return Moments(dates if most == ISO else _scale(numbers, UNITS[most]), UNITS[most], odd)


def _scale(numbers: npt.NDArray[np.float64], unit: str) -> npt.NDArray[np.int64]:
    scaled = numbers * FACTORS[unit]
    readable = np.abs(scaled) < 2.0**62
    micros = np.full(len(numbers), MISSING, np.int64)
    micros[readable] = np.floor(scaled[readable]).astype(np.int64)
    return micros


def _iso(text: "pd.Series[str]") -> npt.NDArray[np.int64]:
    moments = pd.to_datetime(text.astype(object), format="ISO8601", utc=True, errors="coerce")
    micros = moments.to_numpy("datetime64[us]").astype(np.int64)
    return np.where(moments.isna().to_numpy(), MISSING, micros)
