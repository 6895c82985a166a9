"""Dropout (Srivastava et al. 2014, JMLR 15) that draws a byte for each value, where Keras draws a float.

On a processor the drawing is most of a dropout, and a third of a training step of a model as small as ours.
"""

from typing import Any, Final

import tensorflow as tf
import tf_keras as keras

from models import LAYER_SCOPE

LEVELS: Final = 256
"""Of a byte."""


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class Dropout(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Zeros in training for a share of the values, the others scaled up to keep their mean; any shape.

    Args:
        rate: share, 0 or more and below 1; counted in steps of 1/256.

    Raises:
        ValueError: the rate is none.
    """

    def __init__(self, rate: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and below 1. Received: {rate}")
        self.rate = rate
        self._dropped = min(round(rate * LEVELS), LEVELS - 1)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """`inputs` as they are, or in training with zeros."""
        if not self._dropped:
            return inputs
        training = keras.backend.learning_phase() if training is None else training
        return keras.backend.in_train_phase(lambda: self._drop(inputs), inputs, training)

    def _drop(self, inputs: tf.Tensor) -> tf.Tensor:
        size = tf.size(inputs)
        # A seed from the global generator, so that a run can be repeated, and the bits from one that starts at it: it
        # is the only one that gives all 32 of a word.
        seed = tf.random.uniform((2,), maxval=tf.int32.max, dtype=tf.int32)
        words = tf.random.stateless_uniform((size // 4 + 1,), seed, minval=None, maxval=None, dtype=tf.int32)
        chance = tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), (-1,))[:size], tf.shape(inputs))
        kept = tf.cast(chance >= tf.cast(self._dropped, tf.uint8), inputs.dtype)
        return inputs * (kept * (LEVELS / (LEVELS - self._dropped)))

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the same layer."""
        return {**super().get_config(), "rate": self.rate}
