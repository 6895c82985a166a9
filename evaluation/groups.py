"""Groups of users by what the user table says of them, so that a slice can ask whom a model serves badly.

A column of words groups by its values. A column of numbers with more different values than there may be slices, such as
an age, is cut into ranges that hold about as many users each; a range is called by its smallest and largest value.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.str_]


def groups(columns: Mapping[str, Sequence[str]], *, most: int, ranges: int) -> dict[str, Labels]:
    """Column -> [num_users] each user's group, "" for an unknown one.

    Args:
        columns: column -> [num_users] text, "" where nothing is known.
        most: different values above which numbers are cut into ranges.
        ranges: of a column of numbers, at most.
    """
    return {name: _labels(np.array(values, np.str_), most, ranges) for name, values in columns.items()}


def _labels(values: Labels, most: int, ranges: int) -> Labels:
    known = values != ""
    numbers = _numbers(values[known])
    if numbers is None or len(np.unique(numbers)) <= most:
        return values
    bounds = np.unique(np.quantile(numbers, np.arange(1, ranges) / ranges, method="lower"))
    place = np.searchsorted(bounds, numbers, side="left")
    names = {part: _span(numbers[place == part]) for part in np.unique(place).tolist()}
    found = np.full(len(values), "", dtype=f"<U{max(map(len, names.values()))}")
    found[known] = [names[part] for part in place.tolist()]
    return found


def _numbers(texts: Labels) -> npt.NDArray[np.float64] | None:
    """The values as numbers; None when one of them is none."""
    try:
        numbers = texts.astype(np.float64)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _span(numbers: npt.NDArray[np.float64]) -> str:
    low, high = (f"{value:.6g}" for value in (numbers.min(), numbers.max()))
    return low if low == high else f"{low}-{high}"
