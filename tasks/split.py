"""split: the prepared log in three parts, cut at two moments or by what each user took last; see `dataset.split`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import durable
import params
from dataset import split as splitting
from dataset.schema import ITEM, TIMESTAMP, USER
from dataset.split import PARTS, Cuts, Protocol


@dataclass(frozen=True)
class SplitSummary:
    """Where the cuts are and how many interactions each part holds."""

    protocol: Protocol
    validation_start: int
    test_start: int
    counts: dict[str, int]


def split(*, prepared: Path, split: Path, settings: params.Split) -> SplitSummary:
    """Writes train, validation and test .parquet with the columns of interactions.parquet, split.json and parts.npz.

    Raises:
        dataset.split.SplitError: a part would be empty.
    """
    interactions = pq.read_table(prepared / "interactions.parquet")
    parts, cuts = _parts(interactions, settings)
    counts: dict[str, int] = {}
    for code, name in enumerate(PARTS):
        rows = interactions.filter(pa.array(parts == code))
        counts[name] = len(rows)
        durable.write_parquet(split / f"{name}.parquet", rows)
    summary = SplitSummary(settings.protocol, cuts.validation_start, cuts.test_start, counts)
    durable.write_json(split / "split.json", summary)
    durable.write_arrays(split / "parts.npz", {"part": parts})
    return summary


def _parts(interactions: pa.Table, settings: params.Split) -> tuple[npt.NDArray[np.int8], Cuts]:
    """[interactions] which part each belongs to, as `dataset.split` numbers them, and where they end."""
    times = interactions[TIMESTAMP].to_numpy()
    if settings.protocol == "leave-one-out":
        parts = splitting.leave_one_out(_codes(interactions[USER]), _codes(interactions[ITEM]))
        return parts, splitting.ends_of_parts(times, parts)
    cuts = splitting.cut(times, validation_share=settings.validation_share, test_share=settings.test_share)
    return splitting.by_time(times, cuts), cuts


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Each row's position among the distinct values."""
    found: npt.NDArray[np.int32] = column.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return found
