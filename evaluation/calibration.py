"""Calibration: does a list keep the proportions of a user's interests? After Steck 2018, "Calibrated recommendations".

    p(c) = mean over the history's items of p(c | item)        q(c) = the same over the list's
    miscalibration = sum over c of p(c) ln(p(c) / q'(c))        q' = (1 - alpha) q + alpha p,  alpha = 0.01

An item's weight is shared evenly by its categories. The result is in nats: 0 when the list has the history's mix, at
most ln(1 / alpha) = 4.6 when it has none of its categories; lower is better calibrated. It is NaN for a query whose
history or list has no category.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy import sparse

from dataset.query import Ints, Queries
from dataset.vocabulary import OOV
from evaluation.lists import incidence
from evaluation.metrics import Values

ALPHA: Final = 0.01
"""Steck's: keeps the divergence finite."""
CELLS: Final = 2**22
"""Queries times categories that are held at a time."""


def shares(categories: Ints) -> sparse.csr_array:
    """[num_items, num_categories] each item's weight on its categories: rows sum to 1, or to 0 without any.

    Args:
        categories: [num_items, c] category indices, filled up with PADDING.
    """
    width = int(categories.max(initial=OOV)) + 1
    row, place = np.nonzero(categories > OOV)
    table = sparse.csr_array((np.ones(len(row)), (row, categories[row, place])), (len(categories), width))
    return proportions(table)


def taste(queries: Queries, weights: sparse.csr_array) -> sparse.csr_array:
    """[n, num_categories] the mix of each query's history, rows of sum 1, or 0 where there is nothing to tell.

    Args:
        queries: the queries.
        weights: as `shares` makes them.
    """
    row, item = queries.seen()
    history = sparse.csr_array((np.ones(len(row)), (row, item)), (len(queries), weights.shape[0]))
    return proportions(history @ weights)


def miscalibration(
    lists: Ints, tastes: sparse.csr_array, weights: sparse.csr_array, cutoffs: Sequence[int]
) -> dict[str, Values]:
    """`miscalibration_at_k`, [n].

    Args:
        lists: [n, k] item indices, -1 where a list is shorter.
        tastes: as `taste` makes them, for the same queries.
        weights: as `shares` makes them.
        cutoffs: the k.
    """
    return {
        f"miscalibration_at_{k}": _divergence(tastes, proportions(incidence(lists[:, :k], weights.shape[0]) @ weights))
        for k in cutoffs
    }


def proportions(table: sparse.csr_array) -> sparse.csr_array:
    """Rows divided by their sums; empty rows stay empty."""
    total = table.sum(axis=1)
    return sparse.csr_array(sparse.diags_array(1 / np.where(total > 0, total, 1.0)) @ table)


def _divergence(wanted: sparse.csr_array, given: sparse.csr_array) -> Values:
    """[n] the divergence of two mixes, some rows at a time."""
    step = max(CELLS // wanted.shape[1], 1)
    parts = [np.zeros(0)]
    for start in range(0, wanted.shape[0], step):
        p, q = (table[start : start + step].toarray() for table in (wanted, given))
        smooth = (1 - ALPHA) * q + ALPHA * p
        inside = p > 0
        found = (p * np.log(np.where(inside, p, 1.0) / np.where(inside, smooth, 1.0))).sum(axis=1)
        told = inside.any(axis=1) & (q > 0).any(axis=1)
        # Equal mixes can come out a hair below 0.
        parts.append(np.where(told, np.maximum(found, 0.0), np.nan))
    return np.concatenate(parts)
