"""Items that a query is compared with, where they are a sample and not the catalogue."""

import tensorflow as tf


def distinct(items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Items [n] -> each of them once [m], in the order in which they come, and where each comes first [m]."""
    once, place = tf.unique(items)
    return once, tf.math.unsorted_segment_min(tf.range(tf.size(items)), place, tf.size(once))


def log_drawn(expected: tf.Tensor) -> tf.Tensor:
    """Log of the probability that an item is drawn at least once, where it is drawn `expected` times on average."""
    return tf.math.log(-tf.math.expm1(-expected))
