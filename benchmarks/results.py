"""Results in long form: one row a figure, with the command that makes it. Readme tables are made from these files."""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final

import msgspec

import durable
from evaluation.significance import Interval

FOLDER: Final = Path("docs/results")


@dataclass(frozen=True)
class Result:
    """One figure; subjects of ours begin with podium/, others with peer/ or limit/."""

    benchmark: str
    dataset: str
    protocol: str
    subject: str
    metric: str
    value: float
    low: float
    high: float
    unit: str
    command: str


def write(path: Path, results: Sequence[Result]) -> None:
    """Replaces a results file."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(Result))
    table.writerows(
        [f"{cell:.8g}" if isinstance(cell, float) else cell for cell in astuple(result)] for result in results
    )
    durable.write_bytes(path, text.getvalue().encode())


def merge(path: Path, results: Sequence[Result]) -> None:
    """Puts results into a file in place of those of the same benchmark and data set; all others stay as they are."""
    ours = {(result.benchmark, result.dataset) for result in results}
    others = read(path) if path.exists() else []
    write(path, [*(one for one in others if (one.benchmark, one.dataset) not in ours), *results])


def read(path: Path) -> list[Result]:
    """Reads what `write` wrote."""
    with path.open() as file:
        return [msgspec.convert(row, Result, strict=False) for row in csv.DictReader(file)]


def span(values: Sequence[float]) -> Interval:
    """Of several runs: their mean, the least and the most."""
    return Interval(sum(values) / len(values), min(values), max(values))
