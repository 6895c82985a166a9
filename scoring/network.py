"""A neural network by LiteRT, its inputs by name. No TensorFlow."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from dataset.query import Floats
from scoring.forms import FormError

Given = Mapping[str, npt.NDArray[Any]]

SIZES: Final = (8, 4, 2, 1)
"""Rows for which an interpreter is kept ready: to change an interpreter's shapes takes longer than to run it."""
FEW: Final = 64
"""Rows that are split into those; more of them are run at once."""


class Network:
    """A flatbuffer that can be run; safe to call from several threads.

    Args:
        flatbuffer: LiteRT model with one output, its rows apart from each other.
        name: of its file, for errors.
        threads: of one run.

    Raises:
        FormError: LiteRT cannot read it.
    """

    def __init__(self, flatbuffer: npt.NDArray[np.uint8], name: str, *, threads: int = 1) -> None:
        self._content, self._threads = flatbuffer.tobytes(), threads
        try:
            self._any = _Shaped(self._content, threads)
        except ValueError as error:
            raise FormError(f"{name}: LiteRT cannot read it: {error}") from error
        self._sized: dict[int, _Shaped] = {}
        self._lock = threading.Lock()

    @property
    def inputs(self) -> frozenset[str]:
        """Names of what it reads."""
        return self._any.inputs

    def run(self, inputs: Given) -> Floats:
        """One forward pass over those of `inputs` that it reads."""
        given = {name: inputs[name] for name in self.inputs}
        rows = len(next(iter(given.values())))
        with self._lock:
            if rows == 0 or rows > FEW:
                return self._any.run(given)
            found = [
                self._of(size).run({name: value[start : start + size] for name, value in given.items()})
                for start, size in _split(rows)
            ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _of(self, size: int) -> "_Shaped":
        if size not in self._sized:
            self._sized[size] = _Shaped(self._content, self._threads)
        return self._sized[size]


class _Shaped:
    """One interpreter; resizes only when the shapes change."""

    def __init__(self, content: bytes, threads: int) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._places = {_name(detail["name"]): detail["index"] for detail in self._interpreter.get_input_details()}
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._shapes: dict[str, tuple[int, ...]] = {}
        self.inputs = frozenset(self._places)

    def run(self, given: Given) -> Floats:
        shapes = {name: value.shape for name, value in given.items()}
        if shapes != self._shapes:
            for name, shape in shapes.items():
                self._interpreter.resize_tensor_input(self._places[name], shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for name, value in given.items():
            self._interpreter.set_tensor(self._places[name], value)
        self._interpreter.invoke()
        found: Floats = self._interpreter.get_tensor(self._output)
        return found


def _split(rows: int) -> Iterator[tuple[int, int]]:
    """Starts and sizes of the pieces, the largest first."""
    start = 0
    for size in SIZES:
        while rows - start >= size:
            yield start, size
            start += size


def _name(tensor: str) -> str:
    """`serving_default_history:0` -> `history`."""
    return tensor.removeprefix("serving_default_").split(":")[0]
