"""Magnitude pruning of the query tower with TFMOT: the smallest weights of each Dense layer go, the rest is re-trained.

Zhu and Gupta 2017, "To prune, or not to prune" (arXiv 1710.01878): sparsity rises along a cubic curve while training
goes on. Only Dense layers are pruned.
Zeros make the compressed file smaller and not the arithmetic faster: TensorFlow has no sparse kernels for it.
"""

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from models.stored import Retriever


def wrap(model: Retriever, *, sparsity: float, steps: int) -> Retriever:
    """A model whose query tower prunes its Dense layers while it trains; it needs `UpdatePruningStep` as a callback.

    The layers are those of `model` itself, TFMOT does not copy them: hand in a model that nobody else uses.

    Args:
        model: read from disk for this purpose.
        sparsity: share of zeros at the end, 0..1.
        steps: training steps in all; the last fifth trains at the final sparsity.
    """
    # The last update has to fall on the end: a schedule whose end lies between two updates never gets there.
    frequency = max(steps // 20, 1)
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=sparsity,
        begin_step=0,
        end_step=max(steps * 4 // 5 // frequency, 1) * frequency,
        frequency=frequency,
    )

    def wrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.Dense):
            return tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)
        return layer

    query = keras.models.clone_model(model.query, clone_function=wrapped)
    return model.with_query(query)


def strip(model: Retriever) -> Retriever:
    """The pruned model without TFMOT's masks and counters: plain layers again, zeros in place."""
    query = tfmot.sparsity.keras.strip_pruning(model.query)
    return model.with_query(query)


def sparsity(model: Retriever) -> float:
    """Share of zeros among the kernels of the query tower's Dense layers, 0..1."""
    kernels = [layer.kernel for layer in model.query.layers if isinstance(layer, keras.layers.Dense)]
    zeros = sum(int(tf.math.count_nonzero(tf.equal(kernel, 0.0))) for kernel in kernels)
    return zeros / sum(int(tf.size(kernel)) for kernel in kernels)


def callbacks() -> list[keras.callbacks.Callback]:
    """What has to run with each training step of a wrapped model."""
    return [tfmot.sparsity.keras.UpdatePruningStep()]
