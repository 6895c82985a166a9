"""From a trained model to what is served: a LiteRT query tower and a table of item vectors."""

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from dataset.batches import CandidateFeatures
from models.stored import Retriever
from scoring.quantize import quantize_rows
from scoring.tower import Tower


def tower(model: Retriever, features: CandidateFeatures, *, quantize: bool) -> Tower:
    """The form in which a model is examined and served.

    Args:
        model: the trained model.
        features: all items at the freeze.
        quantize: int8 weights in the tower (LiteRT dynamic range) and an int8 item table with one scale a row.
    """
    vectors = model.item_vectors(features)
    table, scales = quantize_rows(vectors) if quantize else (vectors, None)
    flatbuffer = np.frombuffer(convert(model, quantize=quantize), np.uint8)
    return Tower(flatbuffer, table, scales, model.architecture.history_length)


def convert(model: Retriever, *, quantize: bool) -> bytes:
    """The query tower as a LiteRT flatbuffer, its inputs named as in `Queries.inputs`, the batch size left open."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model.served())
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
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
