"""Causal self-attention over a history that is ordered newest first, aware of positions and of time gaps.

    score(i, k) = q_i k_k / sqrt(d) + p(k - i) - r log(1 + (t_i - t_k) / 60 s)      for k >= i, both present

p is a learned bias for each distance in positions and r a learned rate of forgetting, one of each for every head. Both
are relative, so a window cut anywhere is read alike. Relative biases: Shaw et al. 2018 (arXiv 1803.02155); with time:
Zhai et al. 2024, HSTU (arXiv 2402.17152).
"""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from dataset.vocabulary import PADDING
from models import LAYER_SCOPE

MASKED = -1e9
TIME_UNIT = 60.0
"""Seconds; gaps much shorter than that are alike."""


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class Visibility(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """What every block needs of history and ages, once.

    Additive mask [b, L, L], log time gaps [b, L, L], and distances in positions int32 [L, L], 0 where there is nothing
    to see.
    """

    def call(self, inputs: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Reads `inputs` = (item indices [b, L], ages in seconds [b, L])."""
        history, age = inputs
        # Always 0, which a converter cannot know: it would store each head's bias for all L x L pairs.
        origin = tf.minimum(tf.reduce_min(history), PADDING)
        place = tf.range(tf.shape(history)[1]) + origin
        older = place[None, :] >= place[:, None]
        visible = tf.logical_and(older[None], tf.not_equal(history, PADDING)[:, None, :])
        mask = tf.where(visible, 0.0, MASKED)
        # Clipped to what is visible: differences of masked pairs could be negative, and a log of those is no number.
        gap = tf.cast(tf.maximum(age[:, None, :] - age[:, :, None], 0), tf.float32)
        distance = tf.maximum(place[None, :] - place[:, None], 0)
        return mask, tf.math.log1p(gap / TIME_UNIT), distance


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class CausalAttention(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Softmax attention with relative biases; its projections are Dense layers around it, so that they can be pruned.

    Args:
        half_lives: one for each head: the distance in positions at which an event counts half, at first; their
            number must divide the width of the queries.
        length: longest history.
        timed: whether time gaps count.
    """

    def __init__(self, half_lives: list[float], length: int, timed: bool, **kwargs: object) -> None:
        # What is given beside queries, keys and values has to stay what it is: a mask of -1e9 is infinite in float16.
        super().__init__(**{"autocast": False} | kwargs)
        self.half_lives, self.length, self.timed = list(half_lives), length, timed
        self.heads = len(self.half_lives)

    def build(self, input_shape: list[Any]) -> None:  # noqa: ARG002  # Keras hands it over
        """Makes the position biases [heads, length], and the rates of forgetting [heads], which start at none."""
        faded = np.log(0.5) * np.arange(self.length)[None] / np.array(self.half_lives)[:, None]
        start = keras.initializers.Constant(faded.astype(np.float32))
        kept = {"dtype": tf.float32, "experimental_autocast": False}
        self.distance_bias = self.add_weight("distance_bias", shape=faded.shape, initializer=start, **kept)
        self.rate = self.add_weight("rate", shape=(self.heads,), initializer="zeros", **kept)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """[b, L, d] from `inputs` = (queries, keys, values, each [b, L, d], and what `Visibility` gives)."""
        query, key, value, mask, gap, distance = inputs
        bias = tf.gather(self.distance_bias, tf.minimum(distance, self.length - 1), axis=1)
        heads = zip(*(tf.split(part, self.heads, axis=-1) for part in (query, key, value)), strict=True)
        read = []
        for head, (q, k, v) in enumerate(heads):
            near = tf.matmul(q * (1.0 / np.sqrt(q.shape[-1])), k, transpose_b=True)
            scores = tf.cast(near, tf.float32) + (bias[head] + mask)
            if self.timed:
                scores -= self.rate[head] * gap
            read.append(tf.matmul(tf.cast(tf.nn.softmax(scores), v.dtype), v))
        return tf.concat(read, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the same layer."""
        return {**super().get_config(), "half_lives": self.half_lives, "length": self.length, "timed": self.timed}
