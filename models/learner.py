"""The optimizer step of every model that Keras trains here."""

from collections.abc import Mapping

import tensorflow as tf
import tensorflow_recommenders as tfrs


class Learner(tfrs.Model):  # type: ignore[misc]  # TFRS has no types
    """A TFRS model, whose loss is `compute_loss(batch, training)`, with a step that float16 can take.

    TFRS's own step calls `apply_gradients`, which leaves out the scaling of a `LossScaleOptimizer`; `minimize` does it.
    """

    def train_step(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One optimizer step."""
        with tf.GradientTape() as tape:
            loss = self.compute_loss(batch, training=True)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return {"loss": loss}


def over_replicas(losses: tf.Tensor) -> tf.Tensor:
    """What a replica adds to the mean loss of a global batch; `losses` [b] are of its own part."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return tf.nn.compute_average_loss(losses, global_batch_size=tf.shape(losses)[0] * replicas)
