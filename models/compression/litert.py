"""LiteRT flatbuffers: made from Keras, narrowed, and freed of what is only for people to read."""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import tf_keras as keras
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import Quantizer, recipe

from models import export

IDENTIFIER = b"TFL3"
"""Of the file format."""
WIDEST = 8
"""Bits of a weight in a narrowed flatbuffer."""


def weights_only(network: keras.Model, bits: int) -> npt.NDArray[np.uint8]:
    """A network whose Dense weights have few levels in each output channel; all is still computed in float32.

    The weights are widened once, when the network is loaded. They lie in 8 bits whatever `bits` says: gzip makes of
    few levels what packing would.

    Args:
        network: of which nobody else holds the weights, they are rounded in place.
        bits: 2 to 8: levels are the whole numbers from -(2^(bits-1) - 1) to 2^(bits-1) - 1 times a scale.
    """
    if bits < WIDEST:
        for layer in _layers(network):
            if isinstance(layer, keras.layers.Dense):
                layer.kernel.assign(rounded(layer.kernel.numpy(), bits))
    quantizer = Quantizer(bytearray(export.convert(network, export.Precision.FLOAT32)))
    quantizer.load_quantization_recipe(recipe.weight_only_wi8_afp32())
    with _quiet():
        narrowed = quantizer.quantize().quantized_model
    return np.frombuffer(_anonymous(bytes(narrowed)), np.uint8)


def rounded(kernel: npt.NDArray[np.float32], bits: int) -> npt.NDArray[np.float32]:
    """A kernel [in, out] on the levels that `weights_only` keeps."""
    largest = np.abs(kernel).max(axis=0, keepdims=True)
    step = np.where(largest > 0, largest / (2 ** (bits - 1) - 1), 1.0)
    return (np.rint(kernel / step) * step).astype(np.float32)


def _layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _anonymous(flatbuffer: bytes) -> bytes:
    """Without the converter's metadata and the names of tensors inside, which are a seventh of a small network."""
    model: Any = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    for buffer in model.buffers:
        # The quantizer puts the weights of a large network behind the flatbuffer; this brings them inside.
        if buffer.size:
            buffer.data = np.frombuffer(flatbuffer, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs:
        outside = {*graph.inputs, *graph.outputs}
        for index, tensor in enumerate(graph.tensors):
            if index not in outside:
                tensor.name = b""
    model.metadata, model.metadataBuffer = [], None
    builder = flatbuffers.Builder(len(flatbuffer))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantizer prints a report and two progress bars, for work of milliseconds."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
