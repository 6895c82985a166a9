"""From a trained model to what is served: a LiteRT query tower and a table of item vectors.

The folder written here is the model part of a servable; `serving.servable` documents the layout and reads it.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_recommenders as tfrs

import durable
from dataset.batches import CandidateFeatures
from models.retrieval import Floats, Retrieval

LARGEST_INT8 = 127


def export(
    folder: Path, *, name: str, model: Retrieval, features: CandidateFeatures, freeze: int, quantize: bool
) -> None:
    """Writes the model part of a servable.

    Args:
        folder: made if absent.
        name: the variant's name, kept in its manifest.
        model: the trained model.
        features: all items at the freeze.
        freeze: nothing at or after this moment was learned, seconds since 1970-01-01 UTC.
        quantize: int8 weights in the tower (LiteRT dynamic range) and an int8 item table with one scale a row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vectors = model.item_vectors(features)
    (folder / "query_tower.tflite").write_bytes(convert(model, quantize=quantize))
    if quantize:
        table, scales = quantize_rows(vectors)
        np.save(folder / "item_vectors.npy", table)
        np.save(folder / "item_scales.npy", scales)
    else:
        np.save(folder / "item_vectors.npy", vectors)
    manifest = {
        "format": 1,
        "name": name,
        "history_length": model.architecture.history_length,
        "embedding_dim": model.architecture.embedding_dim,
        "items": len(vectors),
        "freeze": freeze,
    }
    durable.write_json(folder / "manifest.json", manifest)


def convert(model: Retrieval, *, quantize: bool) -> bytes:
    """The query tower as a LiteRT flatbuffer with inputs `history` and `context`, the batch size left open."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model.query)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    flatbuffer: bytes = converter.convert()
    return flatbuffer


def quantize_rows(vectors: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Symmetric int8 per row: `vectors ~ table * scales[:, None]`, largest error half a scale.

    Rows of zeros keep scale 1, so that they stay zeros.
    """
    largest = np.abs(vectors).max(axis=1)
    scales = np.where(largest > 0, largest / LARGEST_INT8, 1.0).astype(np.float32)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


def savedmodel_bytes(model: Retrieval, features: CandidateFeatures, *, k: int) -> int:
    """Size on disk of the float model as TFRS would serve it: a SavedModel of the tower with its brute-force index."""
    index = tfrs.layers.factorized_top_k.BruteForce(model.query, k=k)
    index.index(tf.constant(model.item_vectors(features)))
    signature: dict[str, Any] = {
        "history": tf.zeros((1, model.architecture.history_length), tf.int32),
        "context": tf.zeros(model.query.input_shape["context"][1:], tf.float32)[None],
    }
    index(signature)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(index, folder)
        # The fingerprint holds a random id; without it the size depends on the model alone.
        return sum(
            path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and path.name != "fingerprint.pb"
        )
