"""The serving hot path: a form's scores, one mask, a partial sort for the list; or an index. No TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Ints, Queries
from scoring.tied import Tied
from scoring.tower import Tower
from serving.servable import Servable

if TYPE_CHECKING:
    from scoring.nearest import Nearest

Mask = npt.NDArray[np.bool_]

LOWEST: Final = np.float32(-np.inf)
"""Score of what may not be listed."""
BLOCKS: Final = 64
"""Maxima of a row that are looked at, at least."""


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
        found = self._form.scores(queries)
        # A copy: some forms give the same numbers to everybody.
        scores = np.where(self._never, LOWEST, found)
        scores[queries.seen()] = LOWEST
        for row, mask in enumerate(allowed):
            if mask is not None:
                scores[row, ~mask] = LOWEST
        broken = np.zeros(len(queries), np.bool_) if np.isfinite(found).all() else _broken(scores, found)
        items, values = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), LOWEST, np.float32)
        for row, border in enumerate(_borders(scores, k)):
            if not broken[row]:
                best, size = _best(scores[row], border, k)
                items[row, :size], values[row, :size] = best, scores[row, best]
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


def _broken(scores: Floats, found: Floats) -> Mask:
    """[n] whether a score that was not taken away is NaN or infinite."""
    kept = (scores != LOWEST) | (found == LOWEST)
    return np.asarray((kept & ~np.isfinite(found)).any(axis=1))


def _borders(scores: Floats, k: int) -> Floats:
    """[n] a score that at least k of a row reach, so that the k best do; LOWEST where there is none.

    The k-th highest of some maxima, each of other items: they are a few hundred, and a partial sort of all the scores
    would take longer than all the rest.
    """
    rows, items = scores.shape
    width = max(BLOCKS, 4 * k)
    if items < 2 * width:
        return np.full(rows, LOWEST)
    maxima = scores[:, : items // width * width].reshape(rows, -1, width).max(axis=1)
    borders: Floats = np.partition(maxima, width - k, axis=1)[:, width - k]
    return borders


def _best(scores: Floats, border: np.float32, k: int) -> tuple[npt.NDArray[np.intp], int]:
    """The k best of a row, all of which reach the border, and how many: fewer where no more are above LOWEST."""
    (found,) = (scores >= border if border > LOWEST else scores > LOWEST).nonzero()
    best = found[(-scores[found]).argsort(kind="stable")[:k]]
    return best, len(best)
