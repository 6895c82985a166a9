"""split: the prepared log cut at two moments into train, validation and test."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

import durable
import params
from dataset.schema import TIMESTAMP
from dataset.split import cut, part


@dataclass(frozen=True)
class SplitSummary:
    """Where the cuts are and how many interactions each part holds."""

    validation_start: int
    test_start: int
    counts: dict[str, int]


def split(*, prepared: Path, split: Path, settings: params.Split) -> SplitSummary:
    """Writes train, validation and test .parquet with the columns of interactions.parquet, and split.json.

    Raises:
        dataset.split.SplitError: a part would be empty.
    """
    interactions = pq.read_table(prepared / "interactions.parquet")
    times = interactions[TIMESTAMP].to_numpy()
    cuts = cut(times, validation_share=settings.validation_share, test_share=settings.test_share)
    counts: dict[str, int] = {}
    split.mkdir(parents=True, exist_ok=True)
    for name, rows in part(times, cuts).items():
        counts[name] = rows.stop - rows.start
        pq.write_table(interactions.slice(rows.start, counts[name]), split / f"{name}.parquet")
    summary = SplitSummary(cuts.validation_start, cuts.test_start, counts)
    durable.write_json(split / "split.json", summary)
    return summary
