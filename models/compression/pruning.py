"""Magnitude pruning of the query tower with TFMOT: the smallest weights of each Dense layer go, the rest is re-trained.

    polynomial   sparsity rises along a cubic curve while training goes on: Zhu and Gupta 2017, "To prune, or not to
                 prune" (arXiv 1710.01878)
    constant     all of it goes at the first step
    two-of-four  of each four weights that follow each other two go: the pattern that NVIDIA's sparse tensor cores and
                 XNNPACK know (Mishra et al. 2021, arXiv 2104.08378)

Only Dense layers are pruned. Zeros make the compressed file smaller and not the arithmetic faster: neither TensorFlow
nor LiteRT's float path has kernels for them here.
"""

from enum import Enum

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from models.compression.retraining import Retraining
from models.stored import Retriever

UPDATES = 20
"""Times that the masks are drawn anew, at most."""


class Pattern(Enum):
    """Which weights go, and when."""

    POLYNOMIAL = "polynomial"
    CONSTANT = "constant"
    TWO_OF_FOUR = "two-of-four"


def pruned(retraining: Retraining, name: str, pattern: Pattern, sparsity: float) -> Retriever:
    """The float model trained on while it is pruned, as a plain model with zeros in it.

    Args:
        retraining: of the float model.
        name: for the progress bar.
        pattern: which weights go; TWO_OF_FOUR leaves half whatever `sparsity` says.
        sparsity: share of zeros at the end, 0..1.
    """
    start = retraining.start()
    wrapped = wrap(start, pattern, sparsity=sparsity, steps=retraining.steps(start))
    return strip(retraining.train(wrapped, name, callbacks()))


def wrap(model: Retriever, pattern: Pattern, *, sparsity: float, steps: int) -> Retriever:
    """A model whose query tower prunes its Dense layers while it trains; it needs `UpdatePruningStep` as a callback.

    The layers are those of `model` itself, TFMOT does not copy them: hand in a model that nobody else uses.

    Args:
        model: read from disk for this purpose.
        pattern: which weights go.
        sparsity: share of zeros at the end, 0..1.
        steps: training steps in all; the last fifth of a polynomial schedule trains at the final sparsity.
    """
    asked = {"pruning_schedule": _schedule(pattern, sparsity, steps)}
    if pattern is Pattern.TWO_OF_FOUR:
        asked["sparsity_m_by_n"] = (2, 4)

    def wrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.Dense):
            return tfmot.sparsity.keras.prune_low_magnitude(layer, **asked)
        return layer

    query = keras.models.clone_model(model.query, clone_function=wrapped)
    return model.with_towers(query)


def _schedule(pattern: Pattern, sparsity: float, steps: int) -> tfmot.sparsity.keras.PruningSchedule:
    # The last update has to fall on the end: a schedule whose end lies between two updates never gets there.
    frequency = max(steps // UPDATES, 1)
    if pattern is Pattern.POLYNOMIAL:
        return tfmot.sparsity.keras.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=sparsity,
            begin_step=0,
            end_step=max(steps * 4 // 5 // frequency, 1) * frequency,
            frequency=frequency,
        )
    share = 0.5 if pattern is Pattern.TWO_OF_FOUR else sparsity
    return tfmot.sparsity.keras.ConstantSparsity(share, begin_step=0, frequency=frequency)


def strip(model: Retriever) -> Retriever:
    """The pruned model without TFMOT's masks and counters: plain layers again, zeros in place.

    An optimizer that averages puts its averages in the weights' place after TFMOT masked them last, and the averages
    still hold a little of what went; so the masks have the last word here.
    """
    for layer in model.query.layers:
        for weight, mask, _ in getattr(layer, "pruning_vars", ()):
            weight.assign(weight * mask)
    query = tfmot.sparsity.keras.strip_pruning(model.query)
    return model.with_towers(query)


def sparsity(model: Retriever) -> float:
    """Share of zeros among the kernels of the query tower's Dense layers, 0..1."""
    kernels = [layer.kernel for layer in model.query.layers if isinstance(layer, keras.layers.Dense)]
    zeros = sum(int(tf.math.count_nonzero(tf.equal(kernel, 0.0))) for kernel in kernels)
    return zeros / sum(int(tf.size(kernel)) for kernel in kernels)


def callbacks() -> list[keras.callbacks.Callback]:
    """What has to run with each training step of a wrapped model."""
    return [tfmot.sparsity.keras.UpdatePruningStep()]
