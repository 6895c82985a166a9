"""Windows of the exposure log as tables, how much of them can be trusted, and the columns that are watched."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from monitoring.exposures import DAY_SECONDS, Damage, Exposure, days, read_file

SCORES: Final = ("top_score", "score_gap", "score_mean")
WATCHED: Final = (*SCORES, "history", "experience", "popularity_rank_mean", "ignored", "hour", "fallback")
OWN: Final = "own"
"""Not watched: whether the answer is of the version whose scores are compared."""
HOUR_SECONDS: Final = 3600


class WindowError(ValueError):
    """The exposure log cannot be read at all, or the windows asked for cannot be compared."""


@dataclass(frozen=True)
class Health:
    """How much was read, and how much was lost, in one window."""

    files: int
    """Files that were read, for both windows."""
    rows: int
    torn: int
    broken: int
    missing_sequences: int
    """Numbers left out in a file, from 0 to its last; a broken line is also missing here."""


@dataclass(frozen=True)
class Log:
    """What `read` found."""

    answers: pd.DataFrame
    """One row an answer, columns as in `Exposure`, by time."""
    damage: tuple[Damage, ...]
    files: int

    def health(self, start: float = -math.inf, end: float = math.inf) -> Health:
        """Counts of the window [start, end), seconds. Damage counts in every window it may have happened in."""
        lost = {"torn": 0, "broken": 0, "missing": 0}
        for entry in self.damage:
            if start <= entry.last and entry.first < end:
                lost[entry.kind] += entry.count
        rows = len(between(self.answers, start, end))
        return Health(self.files, rows, lost["torn"], lost["broken"], lost["missing"])


def read(folder: Path, start: float = -math.inf, end: float = math.inf) -> Log:
    """Reads the *.jsonl of an exposure folder that may hold answers of [start, end), seconds.

    A file is named by the day of its answers; a day more on either side is for those given together over midnight. One
    that is not named by a day is always read.

    Raises:
        WindowError: the folder is absent or no folder, or a file in it cannot be opened.
    """
    records: list[Exposure] = []
    damage: list[Damage] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl" and _near(path.name, start, end))
        for path in paths:
            found, lost = read_file(path)
            records += found
            damage += lost
    except OSError as error:
        raise WindowError(f"{folder} must be a folder of readable *.jsonl files. Received: {error}") from error
    return Log(_frame(records), tuple(damage), len(paths))


def between(frame: pd.DataFrame, start: float, end: float) -> pd.DataFrame:
    """The rows with start <= time < end, seconds since 1970-01-01 UTC.

    Raises:
        WindowError: the window is empty by itself.
    """
    if not start < end:
        raise WindowError(f"a window's start must be before its end, seconds. Received: {start} to {end}")
    return frame[(frame["time"] >= start) & (frame["time"] < end)]


def newest_version(frame: pd.DataFrame) -> str:
    """The version of the last answer; empty without answers."""
    return str(frame["version"].iloc[-1]) if len(frame) else ""


def features(frame: pd.DataFrame, version: str) -> pd.DataFrame:
    """The watched columns and `OWN`, one row an answer: numbers, flags as bool, NaN where the answer has no value.

    A score that is null in the log makes every score column it enters NaN: the rest is not averaged around it.

    Args:
        frame: answers, columns as in `Exposure`.
        version: whose answers are `OWN`.
    """
    scores = [[math.nan if score is None else score for score in row] for row in frame["scores"]]
    ranks = [[rank for rank in row if rank is not None] for row in frame["popularity_rank"]]
    columns = {
        "top_score": np.array([row[0] if row else math.nan for row in scores], np.float64),
        "score_gap": np.array([row[0] - row[-1] if row else math.nan for row in scores], np.float64),
        "score_mean": np.array([_mean(row) for row in scores], np.float64),
        "history": frame["history"].to_numpy(np.float64),
        "experience": np.log1p(frame["history"].to_numpy(np.float64)),
        "popularity_rank_mean": np.array([_mean(row) for row in ranks], np.float64),
        "ignored": frame["ignored"].to_numpy(np.float64),
        "hour": frame["time"].to_numpy(np.float64) // HOUR_SECONDS % 24,
        "fallback": frame["fallback"].notna().to_numpy(np.bool_),
        OWN: (frame["version"] == version).to_numpy(np.bool_),
    }
    return pd.DataFrame(columns, index=frame.index)


def _near(name: str, start: float, end: float) -> bool:
    first, last = days(name)
    return first - DAY_SECONDS < end and start <= last + DAY_SECONDS


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _frame(records: Sequence[Exposure]) -> pd.DataFrame:
    kinds = {"sequence": np.int64, "time": np.float64, "history": np.int64, "ignored": np.int64}
    columns = {
        name: pd.Series([getattr(record, name) for record in records], dtype=kinds.get(name, object))
        for name in Exposure.__struct_fields__
    }
    return pd.DataFrame(columns).sort_values("time", kind="stable", ignore_index=True)
