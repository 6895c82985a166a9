"""The serving hot path: a form's scores, one mask, a partial sort for the list. No TensorFlow."""

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Ints, Queries
from serving.servable import Servable


class Runtime:
    """Recommends from a whole servable.

    Args:
        servable: the version.
    """

    def __init__(self, servable: Servable) -> None:
        self._form = servable.form
        self._catalogue = servable.catalogue

    def recommend(self, queries: Queries, k: int) -> tuple[Ints, Floats]:
        """The best items of the catalogue that are not in a query's history.

        Returns:
            Item indices [n, k] and scores [n, k], best first, lower index first among equals; -1 and -inf fill up a
            row that has fewer than k candidates.
        """
        items, values = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), -np.inf, np.float32)
        allowed = np.repeat(self._catalogue[None], len(queries), axis=0)
        allowed[queries.seen()] = False
        for row, scores in enumerate(self._form.scores(queries)):
            found, value = _best(scores, np.flatnonzero(allowed[row]), k)
            items[row, : len(found)], values[row, : len(found)] = found, value
        return items, values


def _best(scores: Floats, candidates: npt.NDArray[np.intp], k: int) -> tuple[npt.NDArray[np.intp], Floats]:
    values = scores[candidates]
    if len(candidates) > k:
        border = np.partition(values, -k)[-k]
        candidates, values = candidates[values >= border], values[values >= border]
    order = np.argsort(-values, kind="stable")[:k]
    return candidates[order], values[order]
