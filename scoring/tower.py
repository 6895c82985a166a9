"""A neural query tower by LiteRT and a table of item vectors: one forward pass, one matrix product. No TensorFlow."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from dataset.query import Floats, Queries
from scoring.forms import FormError

FLATBUFFER: Final = "query_tower.tflite"
VECTORS: Final = "item_vectors"
SCALES: Final = "item_scales"


@dataclass(frozen=True)
class Tower:
    """Safe to call from several threads."""

    KIND: ClassVar[str] = "tower"

    flatbuffer: npt.NDArray[np.uint8]
    """LiteRT model; reads some of `Queries.inputs` by name and gives [n, d]."""
    vectors: npt.NDArray[Any]
    """[items, d], float32 or int8."""
    scales: Floats | None
    """[items] when the vectors are int8: row i stands for `vectors[i] * scales[i]`."""
    history_length: int
    threads: int = 1
    """Of the query tower."""
    _state: "_State" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_state", _State(self))

    def scores(self, queries: Queries) -> Floats:
        """[n, items] the queries' vectors times the items'."""
        scores: Floats = self.query_vectors(queries) @ self._state.table.T
        return scores

    def query_vectors(self, queries: Queries) -> Floats:
        """[n, d]."""
        return self._state.run(queries.inputs(self.history_length))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        kept = {FLATBUFFER: self.flatbuffer, VECTORS: self.vectors}
        return kept if self.scales is None else kept | {SCALES: self.scales}

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {"history_length": self.history_length}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Tower":
        """The inverse of `arrays` and `settings`.

        Raises:
            FormError: an array is missing, of a wrong type or shape, or not finite.
        """
        try:
            flatbuffer, vectors, scales = arrays[FLATBUFFER], arrays[VECTORS], arrays.get(SCALES)
        except KeyError as error:
            raise FormError(f"{error.args[0]}: a tower must have it") from error
        if vectors.ndim != 2 or vectors.dtype not in (np.int8, np.float32):
            raise FormError(f"{VECTORS}: must be int8 or float32 [items, d]. Received: {vectors.dtype} {vectors.shape}")
        if (vectors.dtype == np.int8) != (scales is not None):
            raise FormError(f"{SCALES}: must be there when {VECTORS} is int8, and only then")
        if scales is not None and scales.shape != (len(vectors),):
            raise FormError(f"{SCALES}: shape must be {(len(vectors),)}. Received: {scales.shape}")
        if not np.isfinite(vectors if scales is None else scales).all():
            raise FormError("item vectors must be finite")
        return cls(flatbuffer, vectors, scales, int(settings["history_length"]))


class _State:
    """The interpreter and the widened table: made once, not part of what a tower is."""

    def __init__(self, tower: Tower) -> None:
        try:
            self._interpreter = Interpreter(model_content=tower.flatbuffer.tobytes(), num_threads=tower.threads)
        except ValueError as error:
            raise FormError(f"{FLATBUFFER}: LiteRT cannot read it: {error}") from error
        self._lock = threading.Lock()
        self._inputs = {_name(detail["name"]): detail for detail in self._interpreter.get_input_details()}
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._shapes: dict[str, tuple[int, ...]] = {}
        # A float32 product calls BLAS; numpy's integer product does not, so int8 rows are widened once, at load.
        self.table: Floats = tower.vectors.astype(np.float32)
        if tower.scales is not None:
            self.table *= tower.scales[:, None]

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """One forward pass; resizes only when the shapes change."""
        given = {name: inputs[name] for name in self._inputs}
        shapes = {name: value.shape for name, value in given.items()}
        with self._lock:
            if shapes != self._shapes:
                for name, shape in shapes.items():
                    self._interpreter.resize_tensor_input(self._inputs[name]["index"], shape)
                self._interpreter.allocate_tensors()
                self._shapes = shapes
            for name, value in given.items():
                self._interpreter.set_tensor(self._inputs[name]["index"], value)
            self._interpreter.invoke()
            vectors: Floats = self._interpreter.get_tensor(self._output)
        return vectors


def _name(tensor: str) -> str:
    """`serving_default_history:0` -> `history`."""
    return tensor.removeprefix("serving_default_").split(":")[0]
