"""Metrics per query first, mean last: a mean alone can carry no interval.

In next-item evaluation each query has exactly one relevant item, which stands at some rank r (`protocol.MISS` when it
is not there at all). With k the cut-off, and hit = [1 <= r <= k]:

    hit_rate = hit                  recall = hit / 1           precision = hit / k
    f1 = 2 hit / (k + 1)            mrr = hit / r              ndcg = hit / log2(r + 1)

F1 is the harmonic mean of precision and recall; the ideal DCG of one relevant item is 1.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dataset.query import Ints, Longs

Values = npt.NDArray[np.float64]


def accuracy(rank: Longs, cutoffs: Sequence[int]) -> dict[str, Values]:
    """Metric name (`ndcg_at_10`) -> [n] values.

    Args:
        rank: [n] place of each target from 1, 0 for a miss.
        cutoffs: the k.
    """
    place = np.maximum(rank, 1)
    values: dict[str, Values] = {}
    for k in cutoffs:
        hit = ((rank >= 1) & (rank <= k)).astype(np.float64)
        values |= {
            f"ndcg_at_{k}": hit / np.log2(place + 1),
            f"recall_at_{k}": hit,
            f"mrr_at_{k}": hit / place,
            f"hit_rate_at_{k}": hit,
            f"precision_at_{k}": hit / k,
            f"f1_at_{k}": 2 * hit / (k + 1),
        }
    return values


def beyond_accuracy(
    lists: Ints, counts: Longs, head: npt.NDArray[np.bool_], cutoffs: Sequence[int]
) -> dict[str, Values]:
    """What the lists are like, [n] values each.

    `novelty` is the mean self-information of the listed items in bits, -log2((count + 1) / (total + items)) (Vargas and
    Castells 2011); `popularity_share` the share of the list that the head of the catalogue takes. An empty list has
    neither novelty nor popularity: both are 0.

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


def coverage(lists: Ints, catalogue: npt.NDArray[np.bool_], k: int) -> float:
    """Share of the catalogue that stands in at least one of the lists' first k places, 0..1."""
    listed = np.unique(lists[:, :k])
    return float((listed >= 0).sum() / max(int(catalogue.sum()), 1))
