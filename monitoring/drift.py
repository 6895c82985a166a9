"""Two windows compared column by column, by Evidently's population stability index (PSI).

PSI compares the shares of rows in each bin of a column: 0 for the same shares, above .2 by custom a shift worth a
look. Its noise falls with the rows: two samples of 400 from one distribution score about .05, of 100 about .2.
What PSI would answer with a number that means nothing is not asked: the column gets a reason and `drifted=None`.

Every family of models has a scale of its own, so scores are compared among answers of one version only, the one that
serves now. Until both windows have enough of it the score columns are left out.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from monitoring.windows import OWN, SCORES, WindowError

MIN_VALUES: Final = 200  # with 100 values, one of two comparisons of the same distribution scores above .2
MAX_MISSING_CHANGE: Final = 0.1  # beyond it, the values that are left come from different kinds of answers
DISCRETE_VALUES: Final = 20  # up to here Evidently compares value by value, beyond it in bins of equal width
TAIL: Final = 0.01  # with a single outlier, bins of equal width put every other value into one and see nothing


Pair = tuple[pd.Series, pd.Series]
"""A column's values, reference and current."""


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
    """Rows compared, reference and current, after sampling; of the score columns those of one version."""
    new_version: str = ""
    """Why the scores of the version that serves now have nothing to be compared with; empty when they have."""
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

    @property
    def scores_left_out(self) -> bool:
        """Whether there is a score column with nothing against it but that its version is new."""
        return bool(self.new_version) and any(
            self.columns[name].reason == self.new_version for name in self.score_columns
        )

    def html(self) -> str | None:
        """Evidently's page, one file without references to the net; None when no column could be judged."""
        return None if self.snapshot is None else str(self.snapshot.get_html_str(as_iframe=False))


def compare(reference: pd.DataFrame, current: pd.DataFrame, *, psi_threshold: float, max_rows: int, seed: int) -> Drift:
    """Compares every column of two tables of features.

    Args:
        reference: one row an answer, columns of numbers and booleans, NaN where unknown; and `OWN`, see
            `monitoring.windows.features`.
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
    new_version = _new_version(reference=before[OWN], current=after[OWN])
    pairs = {name: (_values(before, name), _values(after, name)) for name in before.columns if name != OWN}
    reasons = {name: _obstacle(name, *pair, new_version) for name, pair in pairs.items()}
    judged = {name: pairs[name] for name, reason in reasons.items() if not reason}
    snapshot, psi = _measure(judged, psi_threshold) if judged else (None, {})
    columns = {name: _column(psi.get(name), psi_threshold, *pair, reasons[name]) for name, pair in pairs.items()}
    verdicts = [column.drifted for column in columns.values() if column.drifted is not None]
    share = sum(verdicts) / len(verdicts) if verdicts else None
    return Drift(columns, share, (len(before), len(after)), new_version, snapshot)


def _sample(frame: pd.DataFrame, max_rows: int, seed: int) -> pd.DataFrame:
    """At most `max_rows` rows, as float64."""
    rows = frame.sample(n=max_rows, random_state=seed) if len(frame) > max_rows else frame
    return rows.astype(np.float64).reset_index(drop=True)


def _new_version(**windows: pd.Series) -> str:
    """Which window has answers, but too few of the version that serves now; empty when none has."""
    for window, own in windows.items():
        if own.sum() < MIN_VALUES and not own.all():
            text = f"the {window} window has {own.sum():.0f} answers of the version that serves now"
            return f"{text}, {MIN_VALUES} are needed"
    return ""


def _values(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame.loc[frame[OWN] == 1, name] if name in SCORES else frame[name]


def _obstacle(name: str, reference: pd.Series, current: pd.Series, new_version: str) -> str:
    """Why a comparison of the two would mean nothing; empty when it means something."""
    flaw = _flaw(name, "current", current)
    if name in SCORES and new_version:
        return flaw if flaw and len(current) >= MIN_VALUES else new_version
    flaw = _flaw(name, "reference", reference) or flaw
    if flaw:
        return flaw
    if pd.concat([reference, current]).nunique() == 1:
        return f"the same value {current.dropna().iloc[0]:g} in every row of both windows"
    missing = reference.isna().mean(), current.isna().mean()
    if abs(missing[0] - missing[1]) > MAX_MISSING_CHANGE:
        return f"unknown in {missing[0]:.0%} of the reference rows and in {missing[1]:.0%} of the current rows"
    return ""


def _flaw(name: str, window: str, values: pd.Series) -> str:
    """Why one window's values mean nothing by themselves."""
    known = values.dropna()
    if len(known) < MIN_VALUES:
        return f"{len(known)} known values in the {window} window, {MIN_VALUES} are needed"
    if np.isinf(known).any():
        return f"infinite values in the {window} window"
    if name in SCORES and known.nunique() == 1:
        return f"the same score {known.iloc[0]:g} in every row of the {window} window"
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


def _measure(pairs: Mapping[str, Pair], threshold: float) -> tuple[Any, dict[str, float]]:
    """Evidently's snapshot, and PSI by column."""
    with warnings.catch_warnings():
        # Seven seconds, and deprecations of its own dependencies that nobody here can mend.
        for category in (DeprecationWarning, SyntaxWarning):
            warnings.simplefilter("ignore", category)
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift
    names = list(pairs)
    # Shorter columns are filled up with NaN, which PSI leaves out.
    reference, current = (pd.DataFrame({name: pair[side] for name, pair in pairs.items()}) for side in (0, 1))
    definition = DataDefinition(numerical_columns=names)
    before, after = (Dataset.from_pandas(frame, definition) for frame in _clip(reference, current))
    report = Report([ValueDrift(column=name, method="psi", threshold=threshold) for name in names])
    try:
        snapshot = report.run(current_data=after, reference_data=before)
    except ValueError as error:
        raise DriftError(f"Evidently refused columns {names}: {error}") from error
    return snapshot, {entry["config"]["column"]: float(entry["value"]) for entry in snapshot.dict()["metrics"]}
