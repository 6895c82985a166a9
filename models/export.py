"""From a trained model to what is served: a LiteRT query tower and a table of item vectors."""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_recommenders as tfrs
import tf_keras as keras

from dataset.batches import CandidateFeatures
from models.stored import Retriever
from scoring.tables import Table
from scoring.tower import Tower


class Precision(Enum):
    """Of the weights of a query tower."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    """Widened again before they are used."""
    INT8 = "int8"
    """LiteRT dynamic range: what a dense layer reads is rounded to 8 bits as well."""
    FULL_INT8 = "full-int8"
    """LiteRT full integer: each layer's results too, on a scale of what they were for the calibrating inputs."""


def tower(model: Retriever, features: CandidateFeatures) -> Tower:
    """The form in which a float model is examined and served.

    Args:
        model: the trained model.
        features: all items at the freeze.
    """
    flatbuffer = np.frombuffer(convert(model.served(), Precision.FLOAT32), np.uint8)
    return Tower(flatbuffer, Table(model.item_vectors(features)), model.architecture.history_length)


def convert(
    network: keras.Model, precision: Precision, calibrate: Mapping[str, npt.NDArray[Any]] | None = None
) -> bytes:
    """A network as a LiteRT flatbuffer, inputs named as in Keras, the batch size left open.

    Args:
        network: such as a served query tower.
        precision: of its weights.
        calibrate: its inputs for some queries, for FULL_INT8.
    """
    converter = converting(network)
    if precision is not Precision.FLOAT32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision is Precision.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    if precision is Precision.FULL_INT8:
        assert calibrate is not None
        converter.representative_dataset = lambda: _one_by_one(network, calibrate)
    with warnings.catch_warnings():
        # Inputs stay as they are, without statistics; and TensorFlow calibrates with what it warns of.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        flatbuffer: bytes = converter.convert()
    return flatbuffer


def converting(network: keras.Model) -> Any:  # noqa: ANN401  # TensorFlow has no type for it
    """A LiteRT converter of a network.

    `TFLiteConverter.from_keras_model` comes to the same by way of a whole Keras SavedModel, which traces every layer
    several times: it takes three times as long.
    """
    given = {name: tf.TensorSpec(one.shape, one.dtype, name) for name, one in network.input.items()}
    function = tf.function(network, autograph=False).get_concrete_function(given)
    held = tf.Module()
    held.variables_of_network = network.variables
    return tf.lite.TFLiteConverter.from_concrete_functions([function], held)


def _one_by_one(network: keras.Model, inputs: Mapping[str, npt.NDArray[Any]]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    for row in range(len(next(iter(inputs.values())))):
        yield {name: inputs[name][row : row + 1] for name in network.input}


def savedmodel_bytes(model: Retriever, features: CandidateFeatures, *, k: int) -> int:
    """Size on disk of the float model as TFRS would serve it: a SavedModel of the tower with its brute-force index.

    Args:
        model: the trained model.
        features: all items at the freeze.
        k: length of its lists; no longer than there are items.
    """
    served, vectors = model.served(), model.item_vectors(features)
    index = tfrs.layers.factorized_top_k.BruteForce(served, k=min(k, len(vectors)))
    index.index(tf.constant(vectors))
    index({layer.name: tf.zeros((1, *layer.shape[1:]), layer.dtype) for layer in served.inputs})
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(index, folder)
        # The fingerprint holds a random id; without it the size depends on the model alone.
        return sum(
            path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and path.name != "fingerprint.pb"
        )
