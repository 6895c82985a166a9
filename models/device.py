"""Where and how TensorFlow computes: threads, GPUs, precision, determinism. Set once, before the first operation."""

import logging
from contextlib import AbstractContextManager

import tensorflow as tf
import tf_keras as keras

log = logging.getLogger(__name__)


def prepare(*, seed: int, threads: int, mixed_precision: bool) -> None:
    """Makes runs repeatable and leaves GPU memory to others until it is needed.

    Args:
        seed: for Python, numpy and TensorFlow.
        threads: of one operation; a fixed number, since sums depend on how they are split.
        mixed_precision: compute in float16 and keep weights in float32; for GPUs with tensor cores.
    """
    if not tf.executing_eagerly() or threads < 1:
        raise ValueError(f"threads must be at least 1 and TensorFlow eager. Received: threads = {threads}")
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy("mixed_float16" if mixed_precision else "float32")


def scope() -> AbstractContextManager[object]:
    """The strategy to build and fit a model under: all GPUs when there are several, else the one device there is."""
    gpus = tf.config.list_logical_devices("GPU")
    log.info("training on %s", ", ".join(gpu.name for gpu in gpus) or "CPU")
    strategy = tf.distribute.MirroredStrategy(gpus) if len(gpus) > 1 else tf.distribute.get_strategy()
    scope: AbstractContextManager[object] = strategy.scope()
    return scope
