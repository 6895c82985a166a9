"""The serving hot path: LiteRT for the query tower, one matrix product for the index, a partial sort for the list.

No TensorFlow. Offline evaluation scores variants through this very class, so what is measured is what is served.
"""

import threading

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from dataset.query import CONTEXT, Floats, Ints, Queries
from serving.servable import Model, Servable


class Scoring:
    """Scores queries with a servable's model part. Safe to call from several threads.

    Args:
        model: the model part of a servable.
        threads: threads of the query tower.
    """

    def __init__(self, model: Model, *, threads: int = 1) -> None:
        self._history_length = model.manifest.history_length
        self._interpreter = Interpreter(model_content=model.tower, num_threads=threads)
        self._lock = threading.Lock()
        self._inputs = {name: self._input(name) for name in ("history", "context")}
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._batch = 0
        # A float32 product calls BLAS; numpy's integer product does not, so int8 rows are widened once, at load.
        self._vectors = model.vectors.astype(np.float32)
        if model.scales is not None:
            self._vectors *= model.scales[:, None]

    def vectors(self, queries: Queries) -> Floats:
        """[n, d] unit vectors of n queries."""
        history, context = queries.history(self._history_length), queries.context()
        with self._lock:
            if self._batch != len(queries):
                self._resize(len(queries))
            self._interpreter.set_tensor(self._inputs["history"], history)
            self._interpreter.set_tensor(self._inputs["context"], context)
            self._interpreter.invoke()
            vectors: Floats = self._interpreter.get_tensor(self._output)
        return vectors

    def scores(self, queries: Queries) -> Floats:
        """[n, items] cosine of each query with each item."""
        scores: Floats = self.vectors(queries) @ self._vectors.T
        return scores

    def _input(self, name: str) -> int:
        details = self._interpreter.get_input_details()
        found = [detail["index"] for detail in details if name in detail["name"]]
        if len(found) != 1:
            raise ValueError(f"the query tower must have one input {name!r}. Received: {[d['name'] for d in details]}")
        return int(found[0])

    def _resize(self, batch: int) -> None:
        self._interpreter.resize_tensor_input(self._inputs["history"], (batch, self._history_length))
        self._interpreter.resize_tensor_input(self._inputs["context"], (batch, len(CONTEXT)))
        self._interpreter.allocate_tensors()
        self._batch = batch


class Runtime:
    """Recommends from a whole servable.

    Args:
        servable: the version.
        threads: threads of the query tower.
    """

    def __init__(self, servable: Servable, *, threads: int = 1) -> None:
        self._scoring = Scoring(servable.model, threads=threads)
        self._catalogue = servable.catalogue

    def scores(self, queries: Queries) -> Floats:
        """[n, items] cosine of each query with each item."""
        return self._scoring.scores(queries)

    def recommend(self, queries: Queries, k: int) -> tuple[Ints, Floats]:
        """The best items of the catalogue that are not in a query's history.

        Returns:
            Item indices [n, k] and scores [n, k], best first, lower index first among equals; -1 and -inf fill up a
            row that has fewer than k candidates.
        """
        items, values = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), -np.inf, np.float32)
        allowed = np.repeat(self._catalogue[None], len(queries), axis=0)
        allowed[queries.seen()] = False
        for row, scores in enumerate(self.scores(queries)):
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
