"""Intervals by bootstrap over users.

The queries of one user are not independent, so users are resampled with all their queries (a cluster bootstrap; Field
and Welsh 2007). A metric is then the ratio of two sums over users, and a comparison is paired: both models answered the
same queries, and each resample takes both answers. Percentile intervals; the resamples are those that
`scipy.stats.bootstrap` would draw, counted instead of copied: how often each user was drawn, times the users' sums.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
BATCH: Final = 2**22
"""Draws held at a time."""
MOST: Final = 1e6
"""Relative change where there was nothing before: finite, so that intervals stay numbers."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its bounds."""

    value: float
    low: float
    high: float


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
        intervals = self._intervals(lambda total, count: total / count, np.stack(totals), count[None])
        return dict(zip(columns, intervals, strict=True))

    def difference(self, ours: Values, theirs: Values, users: npt.NDArray[np.integer]) -> Interval:
        """Mean of `ours` minus mean of `theirs`, answers to the same queries [n]."""
        return self.mean(ours - theirs, users)

    def relative(self, ours: Values, theirs: Values, users: npt.NDArray[np.integer]) -> Interval:
        """(mean of `ours` - mean of `theirs`) / mean of `theirs`; 0 where both are 0, MOST where only theirs is."""

        def ratio(mine: Values, other: Values) -> Values:
            gain = mine - other
            return np.where(other > 0, gain / np.where(other > 0, other, 1.0), np.where(gain > 0, MOST, 0.0))

        mine, other, _ = _sums(users, ours, theirs)
        return self._intervals(ratio, mine[None], other[None])[0]

    def _intervals(self, statistic: Callable[..., Values], *per_user: Values) -> list[Interval]:
        """One interval for each row of `per_user` [rows, users]; `statistic` takes the sums over users [..., rows]."""
        value = statistic(*(rows.sum(-1) for rows in per_user))
        if per_user[0].shape[1] < 2:
            return [Interval(float(row), -np.inf, np.inf) for row in value]
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(statistic(*self._resampled(per_user)), [tail, 1 - tail], axis=0)
        return [Interval(*map(float, row)) for row in zip(value, low, high, strict=True)]

    def _resampled(self, per_user: Sequence[Values]) -> list[Values]:
        """Sums over the drawn users, [samples, rows] for each [rows, users]."""
        users = per_user[0].shape[1]
        generator = np.random.default_rng(self.seed)
        batch = max(BATCH // users, 1)
        parts = []
        for start in range(0, self.samples, batch):
            rows = min(batch, self.samples - start)
            drawn = generator.integers(0, users, (rows, users)) + np.arange(rows)[:, None] * users
            times = np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users).astype(np.float64)
            parts.append([times @ sums.T for sums in per_user])
        return [np.concatenate(sums) for sums in zip(*parts, strict=True)]


def _sums(users: npt.NDArray[np.integer], *columns: Values) -> tuple[Values, ...]:
    """Each column's sum for each user, and last the number of queries; [users] each."""
    if len(users) == 0:
        raise ValueError("an interval needs at least one query")
    # A NaN would fail every comparison in `relative` and come out as "no change".
    if not all(np.isfinite(column).all() for column in columns):
        raise ValueError("an interval needs finite values. Received: NaN or infinite ones")
    user = np.unique(users, return_inverse=True)[1]
    return *(np.bincount(user, column).astype(np.float64) for column in columns), np.bincount(user).astype(np.float64)
