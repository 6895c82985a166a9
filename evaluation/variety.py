"""What all lists together do: how much of the catalogue they show, how evenly, and whether to all users the same.

These have a value for a set of lists and none for a query, so they carry no interval: a resample of users repeats
lists, which makes every one of them smaller than it is.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dataset.query import Ints
from evaluation.metrics import Values


def coverage(lists: Ints, catalogue: npt.NDArray[np.bool_], k: int) -> float:
    """Share of the catalogue that stands in at least one of the lists' first k places, 0..1."""
    listed = np.unique(lists[:, :k])
    return float((listed >= 0).sum() / max(int(catalogue.sum()), 1))


def gini(lists: Ints, catalogue: npt.NDArray[np.bool_], k: int) -> float:
    """Gini coefficient of the catalogue's exposure, how often each item is listed in the first k places, 0..1.

        G = sum over i of (2 i - m - 1) x_i / (m sum of x),   x ascending, i from 1 to m items

    0 when all items are shown equally often, near 1 when few take all (Fleder and Hosanagar 2009, "Blockbuster
    culture's next rise or fall"). NaN when nothing is listed.
    """
    listed = lists[:, :k]
    shown = np.sort(np.bincount(listed[listed >= 0], minlength=len(catalogue))[catalogue]).astype(np.float64)
    if shown.sum() == 0:
        return float("nan")
    place = np.arange(1, len(shown) + 1)
    return float(((2 * place - len(shown) - 1) * shown).sum() / (len(shown) * shown.sum()))


def personalization(lists: Ints, users: npt.NDArray[np.integer], k: int) -> float:
    """1 - mean overlap of the lists of two different users, 0..1: 0 when all are shown the same.

    The overlap of two lists is |A and B| / sqrt(|A| |B|), their common share when they are equally long (Zhou et al.
    2010, "Solving the apparent diversity-accuracy dilemma of recommender systems"). Empty lists are left out. All
    pairs are counted, none is looked at: an item that stands in lists of weight w (1 / sqrt of their length) adds
    (sum of w)^2 to twice the sum over pairs, and what pairs of one user add is taken off again. NaN when there are no
    two users with a list.

    Args:
        lists: [n, m] item indices, distinct in a row, -1 where a list is shorter.
        users: [n] whose list it is.
        k: the cut-off.
    """
    present = lists[:, :k] >= 0
    row, place = np.nonzero(present)
    item, user = lists[row, place], np.unique(users, return_inverse=True)[1]
    weight = 1 / np.sqrt(present.sum(axis=1)[row])
    own = np.unique(user[row].astype(np.int64) * (int(item.max(initial=0)) + 1) + item, return_inverse=True)[1]
    filled = np.bincount(user[present.any(axis=1)]).astype(np.float64)
    pairs = filled.sum() ** 2 - (filled**2).sum()
    if pairs == 0:
        return float("nan")
    common = _squares(item, weight) - _squares(own, weight)
    return float(np.clip(1 - common / pairs, 0.0, 1.0))


def measures(
    lists: Ints, users: npt.NDArray[np.integer], catalogue: npt.NDArray[np.bool_], cutoffs: Sequence[int]
) -> dict[str, float]:
    """`coverage_at_k`, `gini_at_k` and `personalization_at_k`."""
    found: dict[str, float] = {}
    for k in cutoffs:
        found[f"coverage_at_{k}"] = coverage(lists, catalogue, k)
        found[f"gini_at_{k}"] = gini(lists, catalogue, k)
        found[f"personalization_at_{k}"] = personalization(lists, users, k)
    return found


def _squares(group: npt.NDArray[np.integer], weight: Values) -> float:
    """Sum over groups of the square of their weight."""
    return float((np.bincount(group, weight) ** 2).sum())
