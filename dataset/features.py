"""What is known of an item at a moment: categories and year at any time, popularity as it stood then.

Popularity is kept as snapshots. The one at time s counts the interactions in [s - window, s), so nothing at or after s
is in it; a query at time t uses the latest snapshot with s <= t. It is an item's share of the window's interactions
with items of the vocabulary, not their number, which would tell the moment rather than the item. Rows are item indices
of the vocabulary; the two reserved rows are zero.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

import durable
from dataset.query import DAY_SECONDS, Floats, Ints, Longs
from dataset.timelines import Log
from dataset.vocabulary import OOV, PADDING, Vocabulary

NEVER: Final = np.iinfo(np.int64).max
"""`first_seen` of an item that nobody has taken."""
BYTES_LIMIT: Final = 600_000_000
SHARE_SCALE: Final = 1000.0
"""Popularity is log1p of a share in thousandths, so that shares of rare items differ too."""
YEAR_ZERO: Final = 1900
YEAR_SPAN: Final = 100.0
"""The scale of a year is fixed, not fitted, so that it cannot carry anything from the future."""


class FeatureError(ValueError):
    """The settings ask for features that cannot be built."""


def latest(snapshot_times: Longs, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[n] index of the latest snapshot at or before each time, 0 for earlier times."""
    return np.maximum(np.searchsorted(snapshot_times, times, side="right") - 1, 0).astype(np.int64)


@dataclass(frozen=True)
class ItemFeatures:
    """Features of n_items items, the reserved two included."""

    categories: Ints
    """[n_items, c]: category indices, filled up with PADDING."""
    year: Floats
    """[n_items]: (year - 1900) / 100, at least 0.01; 0 when unknown."""
    popularity: Floats
    """[snapshots, n_items, windows]: log1p(1000 * share of the interactions in [s - window, s)), 0 when empty."""
    snapshot_times: Longs
    """[snapshots]: ascending, seconds since 1970-01-01 UTC."""
    count_train: Longs
    """[n_items]: interactions before the start of validation."""
    count_fit: Longs
    """[n_items]: interactions before the start of test."""
    first_seen: Longs
    """[n_items]: time of the first interaction, NEVER when there is none: of any, those of the test included; in the
    leave-one-out protocol, of those that may be known."""
    dense: Floats
    """[n_items, d]: numeric columns and texts, see `dataset.treatments` and `dataset.texts`; d may be 0."""

    def snapshot(self, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """[n] index of the latest snapshot at or before each time; the first (which is empty) for earlier times."""
        return latest(self.snapshot_times, times)

    def write(self, path: Path) -> None:
        """Writes a plain .npz; the bytes depend on the contents alone."""
        durable.write_arrays(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, path: Path) -> "ItemFeatures":
        """Reads what `write` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Popularity:
    """Shares over time; see the module's head."""

    snapshot_times: Longs
    """[snapshots]"""
    values: Floats
    """[snapshots, n_items, windows], as in `ItemFeatures.popularity`."""

    def snapshot(self, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """[n] index of the latest snapshot at or before each time; the first (which is empty) for earlier times."""
        return latest(self.snapshot_times, times)


def popularity(log: Log, n_items: int, *, windows_days: list[int], snapshot_days: int) -> Popularity:
    """Each item's share of the interactions in windows that end at each snapshot.

    Args:
        log: interactions in time order.
        n_items: size of the vocabulary.
        windows_days: lengths of the windows.
        snapshot_days: distance of the snapshots, the first of which is the last multiple (UTC) at or before the
            first interaction and therefore empty.

    Raises:
        FeatureError: a length is not positive, or the snapshots would not fit into memory.
    """
    if snapshot_days < 1 or not windows_days or min(windows_days) < 1:
        raise FeatureError(
            "featurize.popularity_snapshot_days and each of featurize.popularity_windows_days must be at least 1. "
            f"Received: {snapshot_days} and {windows_days}"
        )
    times = _snapshot_times(log.time, snapshot_days * DAY_SECONDS)
    _refuse_too_many(len(times), n_items, len(windows_days), snapshot_days)
    values = np.empty((len(times), n_items, len(windows_days)), np.float32)
    for column, days in enumerate(windows_days):
        values[:, :, column] = _windowed(log, n_items, times, days * DAY_SECONDS)
    return Popularity(times, values)


def counts(log: Log, n_items: int) -> Longs:
    """[n_items] interactions of each item of the vocabulary; 0 for the reserved two."""
    found = np.bincount(log.item, minlength=n_items).astype(np.int64)
    found[[PADDING, OOV]] = 0
    return found


def first_seen(log: Log, n_items: int) -> Longs:
    """[n_items] time of each item's first interaction, NEVER when there is none and for the reserved two."""
    found = np.full(n_items, NEVER, np.int64)
    np.minimum.at(found, log.item, log.time)
    found[[PADDING, OOV]] = NEVER
    return found


def categories(lists: list[list[str]], vocabulary: Vocabulary) -> Ints:
    """[n, c] category indices of n items, filled up with PADDING; c is the longest list's length, at least 1."""
    table = np.full((len(lists), max(1, max(map(len, lists), default=1))), PADDING, np.int32)
    for row, names in enumerate(lists):
        table[row, : len(names)] = vocabulary.index(names)
    return table


def year(years: npt.NDArray[np.float64]) -> Floats:
    """[n] years (NaN when unknown) on the scale of `ItemFeatures.year`."""
    scaled = np.maximum((years - YEAR_ZERO) / YEAR_SPAN, 0.01)
    return np.where(np.isnan(years), 0.0, scaled).astype(np.float32)


def _snapshot_times(times: Longs, step: int) -> Longs:
    return np.arange(int(times[0]) // step * step, int(times[-1]) + 1, step, dtype=np.int64)


def _windowed(log: Log, n_items: int, snapshots: Longs, window: int) -> Floats:
    """[snapshots, n_items]: each interaction enters with the first snapshot after it and leaves a window later."""
    steps = np.zeros((len(snapshots) + 1, n_items), np.int32)
    np.add.at(steps, (np.searchsorted(snapshots, log.time, side="right"), log.item), 1)
    np.add.at(steps, (np.searchsorted(snapshots - window, log.time, side="right"), log.item), -1)
    steps[:, [PADDING, OOV]] = 0
    np.cumsum(steps, axis=0, out=steps)
    total = np.maximum(steps[:-1].sum(axis=1, keepdims=True), 1)
    values = steps[:-1].astype(np.float32)
    values *= SHARE_SCALE / total
    np.log1p(values, out=values)
    return values


def _refuse_too_many(snapshots: int, n_items: int, windows: int, snapshot_days: int) -> None:
    size = snapshots * n_items * windows * 4
    if size > BYTES_LIMIT:
        enough = snapshot_days * -(-size // BYTES_LIMIT)
        raise FeatureError(
            f"popularity would hold {snapshots} snapshots x {n_items} items x {windows} windows = {size:,} bytes, over "
            f"{BYTES_LIMIT:,}; set featurize.popularity_snapshot_days to at least {enough}, or raise "
            "featurize.min_item_count"
        )
