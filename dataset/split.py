"""The two ways to hold interactions out: by time for everybody, or the last ones of each user.

temporal        Everything before a moment is for fitting, everything at or after it is the future. All users are cut at
                the same moments, as they are when a model goes live, so no interaction in an earlier part is younger
                than one in a later part. Interactions of the same second never straddle a cut.

leave-one-out   The last item of each user is the test, the second last the validation, all others are for fitting, as
                in the papers on sequential recommendation (Kang and McAuley 2018, arXiv 1808.09781). Other users' times
                do not count, so a model may learn from what others do later: it is for comparison with published
                figures and says nothing of how a model would do when live.

                Ties: interactions of one second are in the order of the files. Only what a user takes for the first
                time can be asked, as in the temporal protocol: a repetition belongs to the part of the first taking
                before it. Users with fewer than three different items are for fitting alone.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Protocol = Literal["temporal", "leave-one-out"]
PARTS: Final = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(len(PARTS))
FEWEST_ITEMS: Final = 3
"""Different items that a user must have to be asked: one to learn from, one for validation, one for the test."""


class SplitError(ValueError):
    """The log cannot be cut into three parts that are not empty."""


@dataclass(frozen=True)
class Cuts:
    """When what is known before validation and before the test ends, seconds since 1970-01-01 UTC.

    temporal: train < validation_start <= validation < test_start <= test. leave-one-out: just after the last
    interaction of what may be learned from; those that are held out lie before and after.
    """

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


def by_time(times: npt.NDArray[np.int64], cuts: Cuts) -> npt.NDArray[np.int8]:
    """Which part each moment belongs to, in the temporal protocol: TRAIN, VALIDATION or TEST, same length."""
    return np.searchsorted([cuts.validation_start, cuts.test_start], times, side="right").astype(np.int8)


def leave_one_out(user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> npt.NDArray[np.int8]:
    """Which part each interaction belongs to: [interactions] TRAIN, VALIDATION or TEST.

    Args:
        user: [interactions] number of the user, in time order, ties in file order.
        item: [interactions] number of the item.

    Raises:
        SplitError: no user has enough different items.
    """
    first = np.zeros(len(user), np.bool_)
    pair = user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    first[np.unique(pair, return_index=True)[1]] = True
    order = np.argsort(user, kind="stable")
    owner, taken = user[order], np.cumsum(first[order])
    items = np.bincount(user[first], minlength=int(user.max(initial=0)) + 1)
    # `taken` runs on over all users, so those who stand before are in the sum as well.
    left = np.cumsum(items)[owner] - taken
    found = np.full(len(user), TRAIN, np.int8)
    found[order] = np.select([items[owner] < FEWEST_ITEMS, left == 0, left == 1], [TRAIN, TEST, VALIDATION], TRAIN)
    if not (found == TEST).any():
        raise SplitError(
            f"leave-one-out needs a user with at least {FEWEST_ITEMS} different items. Received: {len(user)} "
            f"interactions of {len(items)} users, at most {int(items.max(initial=0))} items each"
        )
    return found


def ends_of_parts(times: npt.NDArray[np.int64], parts: npt.NDArray[np.int8]) -> Cuts:
    """The moments just after the last interaction that may be learned from, for leave-one-out."""
    train, fit = (int(times[parts < part].max()) + 1 for part in (VALIDATION, TEST))
    return Cuts(train, fit)
