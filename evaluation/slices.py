"""Slices: groups of queries on which a good mean can hide a bad model.

The coarse ones (`slices`) are few and large, and the gate judges them. The fine ones have a kind before the colon,
`history:1-4`; those of one kind exclude each other, but for categories, of which an item may have several. A slice in
which there is no query is there all the same, with nobody inside.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from dataset.query import DAY_SECONDS, Ints, Longs, Queries
from dataset.vocabulary import OOV

Mask = npt.NDArray[np.bool_]

KIND_END: Final = ":"
"""What ends the kind in a fine slice's name."""
GROUP: Final = "group"
COLUMN_END: Final = "="
"""What ends the column in the name of a group of users."""
HISTORY_STEPS: Final = (0, 1, 5, 20, 50, 100, 200)
"""Earlier interactions."""
AGE_STEPS: Final = (0, 7, 30, 90, 365)
"""Days."""
POPULARITY_STEPS: Final = (0, 1, 5, 20, 50, 100, 500)
"""Interactions before the freeze."""


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


def by_history(lengths: Longs) -> dict[str, Mask]:
    """`history:...`, by how many interactions a query [n] can look back on."""
    return buckets("history", lengths, HISTORY_STEPS)


def by_age(times: Longs, first_seen: Longs) -> dict[str, Mask]:
    """`age:...`, by the days between the target's first interaction ever and the query.

    Args:
        times: [n] the queries' moments, seconds.
        first_seen: [n] time of the first interaction with each query's target; later than the query, as
            `dataset.features.NEVER` is, when there was none: such queries are in no slice of this kind.
    """
    # Compared before it is subtracted: NEVER is the largest number there is.
    known = first_seen <= times
    days = (times - np.where(known, first_seen, times)) // DAY_SECONDS
    return {name: inside & known for name, inside in buckets("age", days, AGE_STEPS).items()}


def by_popularity(counts: Longs) -> dict[str, Mask]:
    """`popularity:...`, by the target's [n] number of interactions before the freeze: few to learn from, or many."""
    return buckets("popularity", counts, POPULARITY_STEPS)


def by_category(categories: Ints, names: Sequence[str], *, most: int) -> dict[str, Mask]:
    """`category:<name>` for the categories that most targets have, lower index first among equals.

    Args:
        categories: [n, c] category indices of each query's target, filled up with PADDING.
        names: by category index.
        most: slices at most.
    """
    row, place = np.nonzero(categories > OOV)
    found = np.bincount(categories[row, place], minlength=len(names))
    largest = np.argsort(-found, kind="stable")[:most]
    return {f"category{KIND_END}{names[index]}": (categories == index).any(axis=1) for index in largest if found[index]}


def by_group(
    groups: Mapping[str, npt.NDArray[np.str_]], users: npt.NDArray[np.integer], *, most: int, min_users: int
) -> dict[str, Mask]:
    """`group:<column>=<label>` for the groups of each column with the most users, by name among equals.

    Args:
        groups: column -> [num_users] labels; "" for an unknown one, who is in no slice of this column.
        users: [n] each query's user.
        most: slices of one column at most.
        min_users: a group with fewer users who ask something has no slice: it would be about single persons.
    """
    found: dict[str, Mask] = {}
    asking = np.unique(users)
    for column, labels in groups.items():
        names, count = np.unique(labels[asking][labels[asking] != ""], return_counts=True)
        largest = np.argsort(-count, kind="stable")[:most]
        for name in names[largest[count[largest] >= min_users]].tolist():
            found[f"{GROUP}{KIND_END}{column}{COLUMN_END}{name}"] = labels[users] == name
    return found


def buckets(kind: str, values: npt.NDArray[np.integer], steps: Sequence[int]) -> dict[str, Mask]:
    """`<kind>:<first>-<last>` -> [n] which values lie in it; the last bucket is open, what is below the first is out.

    Args:
        kind: what the values are.
        values: [n]
        steps: ascending; the first value of each bucket.
    """
    place = np.searchsorted(steps, values, side="right") - 1
    spans = [str(low) if low + 1 == high else f"{low}-{high - 1}" for low, high in itertools.pairwise(steps)]
    return {f"{kind}{KIND_END}{span}": place == index for index, span in enumerate([*spans, f"{steps[-1]}+"])}
