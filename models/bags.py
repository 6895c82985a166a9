"""Histories as weights over the catalogue."""

import tensorflow as tf


def bag(history: tf.Tensor, weight: tf.Tensor, items: int) -> tf.Tensor:
    """float32 [b, items] the weights [b, L] of each history's items [b, L], added up.

    Scattered numbers and one product are faster than gathered vectors, whose gradients would be scattered.
    """
    rows = tf.broadcast_to(tf.range(tf.shape(history)[0])[:, None], tf.shape(history))
    return tf.scatter_nd(tf.stack([rows, history], axis=-1), weight, (tf.shape(history)[0], items))
