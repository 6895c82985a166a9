"""Where and how TensorFlow computes: threads, GPUs, precision, determinism. Set once, before the first operation."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import tensorflow as tf
import tf_keras as keras

log = logging.getLogger(__name__)

Policy = Literal["float32", "mixed_float16", "mixed_bfloat16"]
"""Names that Keras has for its dtype policies (https://www.tensorflow.org/guide/mixed_precision)."""


def prepare(*, seed: int, threads: int) -> None:
    """Makes runs repeatable and leaves GPU memory to others until it is needed.

    Args:
        seed: for Python, numpy and TensorFlow.
        threads: of one operation; a fixed number, since sums depend on how they are split.
    """
    if not tf.executing_eagerly() or threads < 1:
        raise ValueError(f"threads must be at least 1 and TensorFlow eager. Received: threads = {threads}")
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    seed_everything(seed)
    tf.config.experimental.enable_op_determinism()


def seed_everything(seed: int) -> None:
    """Starts every random number generator anew: Python's, numpy's and TensorFlow's."""
    keras.utils.set_random_seed(seed)


def forget() -> None:
    """Gives back what Keras keeps of models that nobody holds any more; for many fits in one process."""
    keras.backend.clear_session()


@contextmanager
def precision(policy: Policy) -> Iterator[None]:
    """Layers that are made inside compute as the policy says, and keep float32 weights.

    Not for the loss: TFRS makes layers on the way, whose smallest number float16 cannot hold.
    """
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def optimizer(
    learning_rate: float, *, policy: Policy = "float32", beta_2: float = 0.999, average: float = 0.0
) -> keras.optimizers.Optimizer:
    """Adam; with float16 it scales the loss, so that small gradients do not vanish.

    Args:
        learning_rate: step size.
        policy: what the towers compute in.
        beta_2: how slowly the scale of the gradients is forgotten.
        average: momentum of an average of the weights over steps, which `models.fit` validates and keeps in place of
            the weights themselves; 0 for none. Polyak and Juditsky 1992.
    """
    adam = keras.optimizers.Adam(learning_rate, beta_2=beta_2, use_ema=average > 0, ema_momentum=average or 0.99)
    return keras.mixed_precision.LossScaleOptimizer(adam) if policy == "mixed_float16" else adam


def scope() -> AbstractContextManager[object]:
    """The strategy to build and fit a model under: all GPUs when there are several, else the one device there is."""
    gpus = tf.config.list_logical_devices("GPU")
    log.info("training on %s", ", ".join(gpu.name for gpu in gpus) or "CPU")
    strategy = tf.distribute.MirroredStrategy(gpus) if len(gpus) > 1 else tf.distribute.get_strategy()
    scope: AbstractContextManager[object] = strategy.scope()
    return scope
