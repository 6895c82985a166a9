"""Global time split: everything before a moment is for fitting, everything at or after it is the future.

All users are cut at the same moments, as they are when a model goes live, so no interaction in an earlier part is
younger than one in a later part. Interactions of the same second never straddle a cut.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


class SplitError(ValueError):
    """The log cannot be cut into three parts that are not empty."""


@dataclass(frozen=True)
class Cuts:
    """train < validation_start <= validation < test_start <= test, seconds since 1970-01-01 UTC."""

    validation_start: int
    test_start: int


def cut(times: npt.NDArray[np.int64], *, validation_share: float, test_share: float) -> Cuts:
    """Finds the moments that leave the wanted shares of interactions after them.

    Args:
        times: [interactions] seconds, ascending.
        validation_share: wanted share of all interactions, 0..1; ties make it approximate, towards larger.
        test_share: likewise.

    Raises:
        SplitError: the shares leave no part for training, or too few distinct times make a part empty.
    """
    if min(validation_share, test_share) <= 0 or validation_share + test_share >= 1:
        raise SplitError(
            "split.validation_share and split.test_share must be above 0 and together below 1. "
            f"Received: {validation_share} and {test_share}"
        )
    if len(times) == 0:
        raise SplitError("there are no interactions to split")
    # Rounded to a millionth first: 1 - 0.1 - 0.1 is a hair above 0.8, and a hair must not move a row.
    train_end = int(len(times) * round(1 - validation_share - test_share, 6))
    cuts = Cuts(int(times[train_end]), int(times[int(len(times) * round(1 - test_share, 6))]))
    if not times[0] < cuts.validation_start < cuts.test_start:
        raise SplitError(
            f"{len(times)} interactions at {len(np.unique(times))} distinct times cannot be cut into three parts "
            f"that are not empty (validation from {cuts.validation_start}, test from {cuts.test_start})"
        )
    return cuts


def part(times: npt.NDArray[np.int64], cuts: Cuts) -> dict[str, slice]:
    """Name of each part -> its rows, for ascending `times`."""
    validation, test = np.searchsorted(times, [cuts.validation_start, cuts.test_start])
    return {
        "train": slice(0, int(validation)),
        "validation": slice(int(validation), int(test)),
        "test": slice(int(test), len(times)),
    }
