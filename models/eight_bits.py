"""A query tower whose item embedding has 8 bits, with one scale a row.

LiteRT's own quantization gives a whole table one scale, so that one large row coarsens all others.
"""

import tensorflow as tf
import tf_keras as keras

from dataset.query import Floats
from models import LAYER_SCOPE
from scoring.quantize import quantize_rows


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class EightBitEmbedding(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Rows of a table by index, widened as they are read; int32 [...] -> float32 [..., d].

    Args:
        table: [items, d] as it was trained.
    """

    def __init__(self, table: Floats, **kwargs: object) -> None:
        super().__init__(**kwargs)
        values, scales = quantize_rows(table)
        self._values, self._scales = tf.constant(values), tf.constant(scales)

    def call(self, index: tf.Tensor) -> tf.Tensor:
        """Gathers and widens."""
        return tf.cast(tf.gather(self._values, index), tf.float32) * tf.gather(self._scales, index)[..., None]


def with_eight_bits(query: keras.Model) -> keras.Model:
    """The tower with an `EightBitEmbedding`, its other layers shared with it; to be exported, not trained."""

    def layer(found: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(found, keras.layers.Embedding):
            return EightBitEmbedding(found.get_weights()[0], name=found.name)
        return found

    return keras.models.clone_model(query, clone_function=layer)
