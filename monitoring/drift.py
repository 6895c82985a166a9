"""Two windows compared column by column, by Evidently's population stability index (PSI).

PSI compares the shares of rows in each bin of a column: 0 for the same shares, above .2 by custom a shift worth a
look. Its noise falls with the rows: two samples of 400 from one distribution score about .05, of 100 about .2.
What PSI would answer with a number that means nothing is not asked: the column gets a reason and `drifted=None`.
"""

import math
import warnings
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from monitoring.windows import SCORES, WindowError

MIN_VALUES: Final = 200  # with 100 values, one of two comparisons of the same distribution scores above .2
MAX_MISSING_CHANGE: Final = 0.1  # beyond it, the values that are left come from different kinds of answers
DISCRETE_VALUES: Final = 20  # up to here Evidently compares value by value, beyond it in bins of equal width
TAIL: Final = 0.01  # with a single outlier, bins of equal width put every other value into one and see nothing


class DriftError(WindowError):
    """The two windows cannot be compared: other columns, or Evidently refused them."""


@dataclass(frozen=True)
class ColumnDrift:
    """One column in both windows; means over the known values, None when there are none."""

    psi: float | None
    threshold: float
    drifted: bool | None
    """None: cannot tell, for `reason`."""
    reference_mean: float | None
    current_mean: float | None
    reason: str = ""


@dataclass(frozen=True)
class Drift:
    """What `compare` found."""

    columns: dict[str, ColumnDrift]
    share: float | None
    """Drifted columns among those that could be judged; None when there are none."""
    rows: tuple[int, int]
    """Rows compared, reference and current, after sampling."""
    snapshot: Any = field(default=None, repr=False, compare=False)
    """Evidently's result for the judged columns, None when there are none."""

    @property
    def judged(self) -> tuple[str, ...]:
        """Columns with a yes or a no."""
        return tuple(name for name, column in self.columns.items() if column.drifted is not None)

    @property
    def score_columns(self) -> tuple[str, ...]:
        """The columns that say how the model answers, the others say what it was asked."""
        return tuple(name for name in SCORES if name in self.columns)

    @property
    def score_drift(self) -> tuple[str, ...]:
        """Score columns that drifted."""
        return tuple(name for name in self.score_columns if self.columns[name].drifted)

    @property
    def scores_judged(self) -> bool:
        """Whether at least one score column has a yes or a no."""
        return any(name in self.judged for name in self.score_columns)

    def html(self) -> str | None:
        """Evidently's page, one file without references to the net; None when no column could be judged."""
        return None if self.snapshot is None else str(self.snapshot.get_html_str(as_iframe=False))


def compare(reference: pd.DataFrame, current: pd.DataFrame, *, psi_threshold: float, max_rows: int, seed: int) -> Drift:
    """Compares every column of two tables of features.

    Args:
        reference: one row an answer, columns of numbers and booleans, NaN where unknown.
        current: the same columns.
        psi_threshold: PSI from which on a column has drifted.
        max_rows: larger tables are sampled to this many rows, because PSI is slow beyond 100 000.
        seed: of the sample.

    Raises:
        DriftError: the columns differ, or Evidently refuses the tables.
    """
    if list(reference.columns) != list(current.columns):
        raise DriftError(
            f"both windows must have the same columns. Received: {list(reference.columns)} and {list(current.columns)}"
        )
    before, after = _sample(reference, max_rows, seed), _sample(current, max_rows, seed)
    reasons = {str(name): _obstacle(str(name), before[name], after[name]) for name in before.columns}
    judged = [name for name, reason in reasons.items() if not reason]
    snapshot, scores = _measure(before[judged], after[judged], psi_threshold) if judged else (None, {})
    columns = {}
    for name, reason in reasons.items():
        columns[name] = _column(scores.get(name), psi_threshold, before[name], after[name], reason)
    verdicts = [column.drifted for column in columns.values() if column.drifted is not None]
    share = sum(verdicts) / len(verdicts) if verdicts else None
    return Drift(columns, share, (len(before), len(after)), snapshot)


def _sample(frame: pd.DataFrame, max_rows: int, seed: int) -> pd.DataFrame:
    """At most `max_rows` rows, as float64."""
    rows = frame.sample(n=max_rows, random_state=seed) if len(frame) > max_rows else frame
    return rows.astype(np.float64).reset_index(drop=True)


def _obstacle(name: str, reference: pd.Series, current: pd.Series) -> str:
    """Why a comparison of the two would mean nothing; empty when it means something."""
    known = {"reference": reference.dropna(), "current": current.dropna()}
    for window, values in known.items():
        if len(values) < MIN_VALUES:
            return f"{len(values)} known values in the {window} window, {MIN_VALUES} are needed"
        if np.isinf(values).any():
            return f"infinite values in the {window} window"
        if name in SCORES and values.nunique() == 1:
            return f"the same score {values.iloc[0]:g} in every row of the {window} window"
    if pd.concat(known.values()).nunique() == 1:
        return f"the same value {known['current'].iloc[0]:g} in every row of both windows"
    missing = reference.isna().mean(), current.isna().mean()
    if abs(missing[0] - missing[1]) > MAX_MISSING_CHANGE:
        return f"unknown in {missing[0]:.0%} of the reference rows and in {missing[1]:.0%} of the current rows"
    return ""


def _column(psi: float | None, threshold: float, reference: pd.Series, current: pd.Series, reason: str) -> ColumnDrift:
    if psi is not None and not math.isfinite(psi):
        psi, reason = None, f"Evidently scored {psi}"
    drifted = None if psi is None else psi >= threshold
    return ColumnDrift(psi, threshold, drifted, _mean(reference), _mean(current), reason)


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def _clip(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables with the tails of their continuous columns set to the 1% and 99% points of both together."""
    both = pd.concat([reference, current])
    low, high = both.quantile(TAIL), both.quantile(1 - TAIL)
    few = reference.nunique() <= DISCRETE_VALUES
    low[few], high[few] = -math.inf, math.inf
    return reference.clip(low, high, axis=1), current.clip(low, high, axis=1)


def _measure(reference: pd.DataFrame, current: pd.DataFrame, threshold: float) -> tuple[Any, dict[str, float]]:
    """Evidently's snapshot, and PSI by column."""
    with warnings.catch_warnings():
        # Seven seconds, and deprecations of its own dependencies that nobody here can mend.
        for category in (DeprecationWarning, SyntaxWarning):
            warnings.simplefilter("ignore", category)
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift
    names = list(reference.columns)
    definition = DataDefinition(numerical_columns=names)
    before, after = (Dataset.from_pandas(frame, definition) for frame in _clip(reference, current))
    report = Report([ValueDrift(column=name, method="psi", threshold=threshold) for name in names])
    try:
        snapshot = report.run(current_data=after, reference_data=before)
    except ValueError as error:
        raise DriftError(f"Evidently refused columns {names}: {error}") from error
    return snapshot, {entry["config"]["column"]: float(entry["value"]) for entry in snapshot.dict()["metrics"]}
