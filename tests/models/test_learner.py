"""The optimizer step that all models share."""

from collections.abc import Mapping

import pytest
import tensorflow as tf
import tf_keras as keras

from models.learner import Learner, over_replicas

TINY = 1e-8
"""A gradient that float16, whose smallest number is 6e-8, cannot hold."""


class OneWeight(Learner):
    """A loss of `weight * factor`, whose gradient passes through a precision."""

    def __init__(self, kind: tf.DType) -> None:
        super().__init__()
        self.kind = kind
        self.weight = self.add_weight("weight", shape=(), initializer="ones")

    def compute_loss(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:  # noqa: ARG002
        low = tf.cast(self.weight, self.kind)
        return over_replicas(tf.cast(low, tf.float32) * batch["factor"])


@pytest.mark.parametrize("kind", [tf.float32, tf.float16])
def test_a_gradient_too_small_for_float16_arrives(kind: tf.DType) -> None:
    model = OneWeight(kind)
    inner = keras.optimizers.SGD(learning_rate=0.5 / TINY)
    model.compile(optimizer=keras.mixed_precision.LossScaleOptimizer(inner, dynamic=False, initial_scale=2**15))
    batch = {"factor": tf.constant([TINY, TINY, 0.0, 2 * TINY])}
    loss = model.train_step(batch)["loss"]
    assert float(loss) == pytest.approx(TINY)
    assert float(model.weight) == pytest.approx(0.5, rel=1e-3)
