"""From a trained model to what is served: a LiteRT query tower and a table of item vectors."""

import tempfile
from enum import Enum
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from dataset.batches import CandidateFeatures
from models.eight_bits import with_eight_bits
from models.stored import Retriever
from scoring.quantize import quantize_rows
from scoring.tower import Tower


class Precision(Enum):
    """Of the weights of a query tower; where they are not float32, the item table has 8 bits and one scale a row."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    """Widened again before they are used; the history's embedding has 8 bits and one scale a row."""
    INT8 = "int8"
    """LiteRT dynamic range: what a dense layer reads is rounded to 8 bits as well."""


def tower(model: Retriever, features: CandidateFeatures, precision: Precision) -> Tower:
    """The form in which a model is examined and served.

    Args:
        model: the trained model.
        features: all items at the freeze.
        precision: of the tower and of the item table.
    """
    vectors = model.item_vectors(features)
    table, scales = (vectors, None) if precision is Precision.FLOAT32 else quantize_rows(vectors)
    flatbuffer = np.frombuffer(convert(model, precision), np.uint8)
    return Tower(flatbuffer, table, scales, model.architecture.history_length)


def convert(model: Retriever, precision: Precision) -> bytes:
    """The query tower as a LiteRT flatbuffer, its inputs named as in `Queries.inputs`, the batch size left open."""
    shrunk = model.with_query(with_eight_bits(model.query)) if precision is Precision.FLOAT16 else model
    converter = tf.lite.TFLiteConverter.from_keras_model(shrunk.served())
    if precision is not Precision.FLOAT32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision is Precision.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    flatbuffer: bytes = converter.convert()
    return flatbuffer


def savedmodel_bytes(model: Retriever, features: CandidateFeatures, *, k: int) -> int:
    """Size on disk of the float model as TFRS would serve it: a SavedModel of the tower with its brute-force index."""
    served = model.served()
    index = tfrs.layers.factorized_top_k.BruteForce(served, k=k)
    index.index(tf.constant(model.item_vectors(features)))
    index({layer.name: tf.zeros((1, *layer.shape[1:]), layer.dtype) for layer in served.inputs})
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(index, folder)
        # The fingerprint holds a random id; without it the size depends on the model alone.
        return sum(
            path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and path.name != "fingerprint.pb"
        )
