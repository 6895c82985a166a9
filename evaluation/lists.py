"""What the lists are like beyond right or wrong, for each query; NaN where a query has no such value.

novelty           mean self-information of the listed items in bits, -log2((count + 1) / (total + items))
                  (Vargas and Castells 2011, "Rank and relevance in novelty and diversity metrics")
popularity_share  share of the list that the head of the catalogue takes
diversity         1 - mean cosine of the pairs of listed items (Smyth and McClave 2001, "Similarity vs. diversity";
                  Ziegler et al. 2005, "Improving recommendation lists through topic diversification")
serendipity       listed items that are relevant and not what anybody would have been shown, as a share of the
                  list's k places: with one relevant item, hit * [not in the obvious list] / k
                  (Ge, Delgado-Battenfeld and Jannach 2010, "Beyond accuracy")
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset.query import Ints, Longs
from dataset.vocabulary import OOV
from evaluation.metrics import Values


def overlap(lists: Ints, others: Ints) -> float:
    """Mean share of the first ten of `others` [n, k] that are among the first ten of `lists` [n, k]; 1 for no queries.

    Empty places (-1) do not count; a query that was answered nothing by `others` has lost nothing.
    """
    first, second = lists[:, :10], others[:, :10]
    common = ((first[:, :, None] == second[:, None, :]) & (second >= 0)[:, None, :]).any(axis=1).sum(axis=1)
    length = (second >= 0).sum(axis=1)
    return float(np.divide(common, length, out=np.ones(len(lists)), where=length > 0).mean()) if len(lists) else 1.0


def popularity(lists: Ints, counts: Longs, head: npt.NDArray[np.bool_], cutoffs: Sequence[int]) -> dict[str, Values]:
    """`novelty_at_k` and `popularity_share_at_k`, [n] each; both are 0 for an empty list.

    Args:
        lists: [n, k] item indices, -1 where a list is shorter.
        counts: [num_items] interactions before the freeze.
        head: [num_items] whether an item belongs to the most popular ones.
        cutoffs: the k, each at most the lists' length.
    """
    information = -np.log2((counts + 1) / (counts.sum() + len(counts)))
    values: dict[str, Values] = {}
    for k in cutoffs:
        listed = lists[:, :k]
        present = listed >= 0
        length = np.maximum(present.sum(axis=1), 1)
        values[f"novelty_at_{k}"] = np.where(present, information[listed], 0.0).sum(axis=1) / length
        values[f"popularity_share_at_{k}"] = (head[listed] & present).sum(axis=1) / length
    return values


def directions(vectors: npt.NDArray[np.floating]) -> Values:
    """[items, d] the same directions at length 1; a vector of zeros, which tells nothing of its item, stays zero."""
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    found: Values = vectors / np.where(length > 0, length, 1.0)
    return found


def category_directions(categories: Ints) -> sparse.csr_array:
    """[items, num_categories] the same for items known by their categories alone: the cosine of two sets.

    Args:
        categories: [items, c] category indices, filled up with PADDING.
    """
    row, place = np.nonzero(categories > OOV)
    length = np.sqrt(np.bincount(row, minlength=len(categories)))
    shape = (len(categories), int(categories.max(initial=OOV)) + 1)
    return sparse.csr_array((1 / length[row], (row, categories[row, place])), shape)


def diversity(lists: Ints, towards: Values | sparse.csr_array, cutoffs: Sequence[int]) -> dict[str, Values]:
    """`diversity_at_k`, [n]: 0 when all listed items point the same way, 1 when they have nothing in common.

    Items without a direction are left out; NaN when fewer than two are left. It is above 1, at most 2, where vectors
    point away from each other. The sum over pairs is had from the length of the sum, so that no pair is looked at:
    |sum of v|^2 = (items) + 2 (sum over pairs of cosines).

    Args:
        lists: [n, k] item indices, -1 where a list is shorter.
        towards: [num_items, d], as `directions` or `category_directions` makes them.
        cutoffs: the k.
    """
    told = (_squared(towards) > 0).astype(np.float64)
    values: dict[str, Values] = {}
    for k in cutoffs:
        counted = incidence(lists[:, :k], len(told))
        size = counted @ told
        pairs = size * (size - 1)
        found = 1 - (_squared(counted @ towards) - size) / np.where(pairs > 0, pairs, 1.0)
        # The difference of two large sums is off by some last bits, and a cosine of 1 must not give -1e-16.
        values[f"diversity_at_{k}"] = np.where(pairs > 0, np.maximum(found, 0.0), np.nan)
    return values


def serendipity(rank: Longs, target: Ints, obvious: Ints, cutoffs: Sequence[int]) -> dict[str, Values]:
    """`serendipity_at_k`, [n], 0 or 1 / k.

    Args:
        rank: [n] place of each target from 1, 0 for a miss.
        target: [n] item indices.
        obvious: [n, k] lists that need no model, such as what is popular of late, for the same queries.
        cutoffs: the k, each at most the obvious lists' length.
    """
    return {
        f"serendipity_at_{k}": ((rank >= 1) & (rank <= k) & (obvious[:, :k] != target[:, None]).all(axis=1)) / k
        for k in cutoffs
    }


def incidence(lists: Ints, num_items: int) -> sparse.csr_array:
    """[n, num_items] 1 where an item stands in a list."""
    row, place = np.nonzero(lists >= 0)
    shape = (len(lists), num_items)
    return sparse.csr_array((np.ones(len(row)), (row, lists[row, place])), shape)


def _squared(table: Values | sparse.csr_array) -> Values:
    """[n] squared length of each row."""
    found: Values = (table * table).sum(axis=1)  # element by element, of a sparse array as well
    return found
