"""Accuracy per query first, mean last: a mean alone can carry no interval.

In next-item evaluation each query has exactly one relevant item, which stands at some rank r (`protocol.MISS` when it
is not there at all). With k the cut-off, and hit = [1 <= r <= k]:

    hit_rate = hit                  recall = hit / 1           precision = hit / k
    f1 = 2 hit / (k + 1)            mrr = hit / r              ndcg = hit / log2(r + 1)
    map = mrr                       expected_loss = min(r - 1, k) / k, 1 for a miss

F1 is the harmonic mean of precision and recall; the ideal DCG of one relevant item is 1 (Jarvelin and Kekalainen 2002,
"Cumulated gain-based evaluation of IR techniques"). Average precision of one relevant item is its reciprocal rank;
`average_precision` is the general one. The expected loss is what a user who reads from the top loses on items before
the right one, as a share of the list: Cooper's expected search length (1968, "Expected search length: a single measure
of retrieval effectiveness"), cut at k. Its mean is the empirical risk of a list under that loss.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dataset.query import Ints, Longs

Values = npt.NDArray[np.float64]


def accuracy(rank: Longs, cutoffs: Sequence[int]) -> dict[str, Values]:
    """Metric name (`ndcg_at_10`) -> [n] values, all 0..1.

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
            f"map_at_{k}": hit / place,
            f"expected_loss_at_{k}": np.where(hit > 0, (place - 1) / k, 1.0),
        }
    return values


def average_precision(lists: Ints, relevant: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]], k: int) -> Values:
    """[n] average precision of lists with any number of relevant items each.

        AP = (1 / R) sum over places i <= k of [item i is relevant] * (relevant items in the first i places) / i

    R counts all relevant items of the query, as in TREC (Buckley and Voorhees 2000, "Evaluating evaluation measure
    stability"), so a list shorter than R cannot reach 1. A query without a relevant item has 0.

    Args:
        lists: [n, m] item indices, distinct in a row, -1 where a list is shorter.
        relevant: (row, item) pairs, as `Queries.seen` gives them; pairs that repeat count once.
        k: the cut-off.
    """
    listed = lists[:, :k].astype(np.int64)
    rows, items = (side.astype(np.int64) for side in relevant)
    width = 1 + max(int(listed.max(initial=0)), int(items.max(initial=0)))
    pairs = np.unique(rows * width + items)
    keys = np.arange(len(lists))[:, None] * width + listed
    hit = np.isin(keys, pairs) & (listed >= 0)
    precision = np.cumsum(hit, axis=1) / np.arange(1, listed.shape[1] + 1)
    total = np.bincount(pairs // width, minlength=len(lists))
    found: Values = (hit * precision).sum(axis=1) / np.maximum(total, 1)
    return found
