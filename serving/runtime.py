"""The serving hot path: a form's scores, one mask, a partial sort for the list; or an index. No TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Ints, Queries
from scoring.tied import Tied
from scoring.tower import Tower
from serving.servable import Servable

if TYPE_CHECKING:
    from scoring.nearest import Nearest

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Recommended:
    """Lists for n queries."""

    items: Ints
    """[n, k] best first, lower index first among equals; -1 fills up a row that has fewer than k candidates."""
    scores: Floats
    """[n, k]; -inf fills up."""
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
        self._never = ~servable.catalogue

    def recommend(self, queries: Queries, k: int, allowed: Sequence[Mask | None] = ()) -> Recommended:
        """The best items of the catalogue that are not in a query's history.

        Args:
            queries: n queries.
            k: length of the lists.
            allowed: [n] each a mask over the items outside of which nothing is listed, or None; may be left out.
        """
        if self._nearest is not None and isinstance(self._form, Tower | Tied):
            return self._searched(self._nearest, self._form, queries, k, allowed)
        scores = self._form.scores(queries)
        blocked = np.empty(scores.shape, np.bool_)
        blocked[:] = self._never
        blocked[queries.seen()] = True
        for row, mask in enumerate(allowed):
            if mask is not None:
                blocked[row, ~mask] = True
        broken = _broken(scores, blocked)
        scores = np.where(blocked, np.float32(-np.inf), scores)
        items, values = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), -np.inf, np.float32)
        for row in np.flatnonzero(~broken).tolist():
            found = _best(scores[row], k)
            items[row, : len(found)], values[row, : len(found)] = found, scores[row, found]
        return Recommended(items, values, broken)

    def _searched(
        self, nearest: "Nearest", form: Tower | Tied, queries: Queries, k: int, allowed: Sequence[Mask | None]
    ) -> Recommended:
        """The same by the index: at once for those who are allowed everything, one by one for the others."""
        from scoring.nearest import of_rows  # its library is loaded where there is an index

        vectors, seen = form.query_vectors(queries), queries.seen()
        broken = np.asarray(~np.isfinite(vectors).all(axis=1))
        items, values = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), -np.inf, np.float32)
        masks = {row: mask for row, mask in enumerate(allowed) if mask is not None}
        free = np.array([row for row in np.flatnonzero(~broken).tolist() if row not in masks], np.int64)
        asked = [(free, self._catalogue)] if len(free) else []
        asked += [(np.array([row]), self._catalogue & mask) for row, mask in masks.items() if not broken[row]]
        for rows, mask in asked:
            items[rows], values[rows] = nearest.search(vectors[rows], k, mask, of_rows(seen, rows, len(queries)))
        return Recommended(items, values, broken)


def _broken(scores: Floats, blocked: Mask) -> Mask:
    """[n] whether a score that counts is NaN or infinite."""
    finite = np.isfinite(scores)
    if finite.all():
        return np.zeros(len(scores), np.bool_)
    return np.asarray((~finite & ~blocked).any(axis=1))


def _best(scores: Floats, k: int) -> npt.NDArray[np.intp]:
    """The k best of a row, fewer where no more are above -inf."""
    border = np.partition(scores, -k)[-k] if len(scores) > k else -np.inf
    found = np.flatnonzero(scores >= border if border > -np.inf else scores > -np.inf)
    return found[np.argsort(-scores[found], kind="stable")[:k]]
