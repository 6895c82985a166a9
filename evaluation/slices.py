"""Slices: groups of queries on which a good mean can hide a bad model."""

import numpy as np
import numpy.typing as npt

from dataset.query import Longs, Queries

Mask = npt.NDArray[np.bool_]


def head_items(counts: Longs, catalogue: Mask, share: float) -> Mask:
    """[num_items] the most popular `share` (0..1) of the catalogue; lower index first among equals."""
    # Rounded to a millionth first: 100 * 0.07 is a hair above 7.
    size = int(np.ceil(round(float(catalogue.sum()) * share, 6)))
    head = np.zeros(len(counts), np.bool_)
    head[np.argsort(-np.where(catalogue, counts, -1), kind="stable")[:size]] = True
    return head & catalogue


def slices(queries: Queries, catalogue: Mask, head: Mask, *, cold_history: int) -> dict[str, Mask]:
    """Slice name -> [n] which queries belong to it.

    cold, warm: at most `cold_history` earlier interactions, or more. head, tail: the target is among the most popular
    items, or among the other ones of the catalogue. new: the target is not in the catalogue, which no model can get
    right.
    """
    cold = queries.end <= cold_history
    in_head, known = head[queries.target], catalogue[queries.target]
    return {"cold": cold, "warm": ~cold, "head": in_head, "tail": known & ~in_head, "new": ~known}
