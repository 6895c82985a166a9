"""Intervals by bootstrap over users.

The queries of one user are not independent, so users are resampled with all their queries (a cluster bootstrap; Field
and Welsh 2007). A metric is then the ratio of two sums over users, and a comparison is paired: both models answered the
same queries, and each resample takes both answers. Percentile intervals by `scipy.stats.bootstrap`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = npt.NDArray[np.float64]
MOST: Final = 1e6
"""Relative change where there was nothing before: finite, so that intervals stay numbers."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its bounds."""

    value: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low > 0


@dataclass(frozen=True)
class Bootstrap:
    """How to resample."""

    samples: int
    confidence: float
    """0..1"""
    seed: int

    def mean(self, values: Values, users: npt.NDArray[np.integer]) -> Interval:
        """Mean of per-query `values` [n], whose users are `users` [n]."""
        return self.means({"": values}, users)[""]

    def means(self, columns: Mapping[str, Values], users: npt.NDArray[np.integer]) -> dict[str, Interval]:
        """Means of several columns [n] by name, from the same resamples, which is faster than one by one."""
        *totals, count = _sums(users, *columns.values())
        stacked = np.stack(totals)
        intervals = self._intervals(_ratio, stacked, np.broadcast_to(count, stacked.shape))
        return dict(zip(columns, intervals, strict=True))

    def difference(self, ours: Values, theirs: Values, users: npt.NDArray[np.integer]) -> Interval:
        """Mean of `ours` minus mean of `theirs`, answers to the same queries [n]."""
        return self.mean(ours - theirs, users)

    def relative(self, ours: Values, theirs: Values, users: npt.NDArray[np.integer]) -> Interval:
        """(mean of `ours` - mean of `theirs`) / mean of `theirs`; 0 where both are 0, MOST where only theirs is."""

        def ratio(mine: Values, other: Values, _count: Values) -> Values:
            gain, level = mine.sum(-1) - other.sum(-1), other.sum(-1)
            return np.where(level > 0, gain / np.where(level > 0, level, 1.0), np.where(gain > 0, MOST, 0.0))

        return self._intervals(ratio, *(total[None] for total in _sums(users, ours, theirs)))[0]

    def _intervals(self, statistic: Callable[..., Values], *per_user: Values) -> list[Interval]:
        """One interval for each row of `per_user` [rows, users]."""
        value = statistic(*per_user)
        if per_user[0].shape[1] < 2:
            return [Interval(float(row), -np.inf, np.inf) for row in value]
        bounds = stats.bootstrap(
            per_user,
            lambda *samples, axis: statistic(*samples),  # noqa: ARG005  # users lie on the last axis by construction
            paired=True,
            vectorized=True,
            axis=-1,
            n_resamples=self.samples,
            batch=100,
            confidence_level=self.confidence,
            method="percentile",
            rng=np.random.default_rng(self.seed),
        ).confidence_interval
        return [Interval(*map(float, row)) for row in zip(value, bounds.low, bounds.high, strict=True)]


def _ratio(total: Values, count: Values) -> Values:
    ratio: Values = total.sum(-1) / count.sum(-1)
    return ratio


def _sums(users: npt.NDArray[np.integer], *columns: Values) -> tuple[Values, ...]:
    """Each column's sum for each user, and last the number of queries; [users] each."""
    if len(users) == 0:
        raise ValueError("an interval needs at least one query")
    # A NaN would fail every comparison in `relative` and come out as "no change".
    if not all(np.isfinite(column).all() for column in columns):
        raise ValueError("an interval needs finite values. Received: NaN or infinite ones")
    user = np.unique(users, return_inverse=True)[1]
    return *(np.bincount(user, column).astype(np.float64) for column in columns), np.bincount(user).astype(np.float64)
