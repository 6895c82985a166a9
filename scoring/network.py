"""A neural network by LiteRT, its inputs by name. No TensorFlow."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from dataset.query import Floats
from scoring.forms import FormError


class Network:
    """A flatbuffer that can be run; safe to call from several threads.

    Args:
        flatbuffer: LiteRT model with one output.
        name: of its file, for errors.
        threads: of one run.

    Raises:
        FormError: LiteRT cannot read it.
    """

    def __init__(self, flatbuffer: npt.NDArray[np.uint8], name: str, *, threads: int = 1) -> None:
        try:
            self._interpreter = Interpreter(model_content=flatbuffer.tobytes(), num_threads=threads)
        except ValueError as error:
            raise FormError(f"{name}: LiteRT cannot read it: {error}") from error
        self._lock = threading.Lock()
        self._inputs = {_name(detail["name"]): detail for detail in self._interpreter.get_input_details()}
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._shapes: dict[str, tuple[int, ...]] = {}

    @property
    def inputs(self) -> frozenset[str]:
        """Names of what it reads."""
        return frozenset(self._inputs)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """One forward pass over those of `inputs` that it reads; resizes only when the shapes change."""
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
            found: Floats = self._interpreter.get_tensor(self._output)
        return found


def _name(tensor: str) -> str:
    """`serving_default_history:0` -> `history`."""
    return tensor.removeprefix("serving_default_").split(":")[0]
