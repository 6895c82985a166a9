"""GRU and LSTM over a history that is ordered newest first: read from the oldest event, padding left out.

Hidasi et al. 2016, "Session-based recommendations with recurrent neural networks" (ICLR, arXiv 1511.06939).
"""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from dataset.vocabulary import PADDING
from models import LAYER_SCOPE

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class Recurrent(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """States after each event, [b, L, d], in the order of the history.

    Where the length is known it is unrolled: LiteRT has no lists of tensors, which a loop needs.

    Args:
        kind: gru or lstm.
        units: d.
    """

    def __init__(self, kind: str, units: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.kind, self.units = kind, units
        cell = CELLS[kind](units)
        self.loop, self.unrolled = (
            keras.layers.RNN(cell, return_sequences=True, go_backwards=True, unroll=unroll) for unroll in (False, True)
        )

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Reads `inputs` = (embedded [b, L, d], item indices [b, L])."""
        embedded, history = inputs
        layer = self.loop if embedded.shape[1] is None else self.unrolled
        states = layer(embedded, mask=tf.not_equal(history, PADDING))
        return tf.reverse(states, [1])

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the same layer."""
        return {**super().get_config(), "kind": self.kind, "units": self.units}
