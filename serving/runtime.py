"""The serving hot path: a form's scores, one mask, a partial sort for the list; or an index. No TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Longs, Queries
from highest import LOWEST, NOTHING, highest
from scoring.tied import Tied
from scoring.tower import Tower
from serving.servable import Servable

if TYPE_CHECKING:
    from scoring.nearest import Nearest

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Recommended:
    """Lists for n queries."""

    items: Longs
    """[n, k] best first, lower index first among equals; NOTHING fills up a row that has fewer than k candidates."""
    scores: Floats
    """[n, k]; LOWEST fills up."""
    broken: Mask
    """[n] whether a candidate's score is no finite number: such a row lists nothing."""


class Runtime:
    """Recommends from a whole servable.

    Args:
        servable: the version.
    """

    def __init__(self, servable: Servable) -> None:
        self._form = servable.form
        self._nearest = servable.nearest
        self._catalogue = servable.catalogue
        # The lesser of it and a score leaves a candidate's score alone: a fraction of what a choice by a mask takes.
        self._most: Floats = np.where(servable.catalogue, -LOWEST, LOWEST)

    def recommend(self, queries: Queries, k: int, allowed: Sequence[Mask | None] = ()) -> Recommended:
        """The best items of the catalogue that are not in a query's history.

        Args:
            queries: n queries.
            k: length of the lists.
            allowed: [n] each a mask over the items outside of which nothing is listed, or None; may be left out.
        """
        if self._nearest is not None and isinstance(self._form, Tower | Tied):
            return self._searched(self._nearest, self._form, queries, k, allowed)
        found = self._form.scores(queries)
        # A copy: some forms give the same numbers to everybody. Of NaN and the most a score may be, the latter.
        scores: Floats = np.fmin(found, self._most)
        scores[queries.seen()] = LOWEST
        for row, mask in enumerate(allowed):
            if mask is not None:
                scores[row, ~mask] = LOWEST
        broken = np.zeros(len(queries), np.bool_) if np.isfinite(found).all() else _broken(scores, found)
        scores[broken] = LOWEST
        return Recommended(*highest(scores, k), broken)

    def _searched(
        self, nearest: "Nearest", form: Tower | Tied, queries: Queries, k: int, allowed: Sequence[Mask | None]
    ) -> Recommended:
        """The same by the index: at once for those who are allowed everything, one by one for the others."""
        from scoring.nearest import of_rows  # its library is loaded where there is an index

        vectors, seen = form.query_vectors(queries), queries.seen()
        broken = np.asarray(~np.isfinite(vectors).all(axis=1))
        items, values = np.full((len(queries), k), NOTHING, np.int64), np.full((len(queries), k), LOWEST, np.float32)
        masks = {row: mask for row, mask in enumerate(allowed) if mask is not None}
        free = np.array([row for row in np.flatnonzero(~broken).tolist() if row not in masks], np.int64)
        asked = [(free, self._catalogue)] if len(free) else []
        asked += [(np.array([row]), self._catalogue & mask) for row, mask in masks.items() if not broken[row]]
        for rows, mask in asked:
            items[rows], values[rows] = nearest.search(vectors[rows], k, mask, of_rows(seen, rows, len(queries)))
        return Recommended(items, values, broken)


def _broken(scores: Floats, found: Floats) -> Mask:
    """[n] whether a score that was not taken away is NaN or infinite."""
    kept = (scores != LOWEST) | (found == LOWEST)
    return np.asarray((kept & ~np.isfinite(found)).any(axis=1))
