"""The ranker: a deep and cross network under `tfrs.tasks.Ranking`, trained on the lists that a retrieval gives.

    x_0     = [standard(numbers) ; e(candidate) ; e(history)]   whole numbers are dropped, for all candidates alike
    x_{l+1} = x_0 * (W_l x_l + b_l) + x_l                  tfrs.layers.dcn.Cross
    h       = [x_L ; drop(relu(V x_L + c))]
    taken   = x_0[0] + out . h                             softmax cross-entropy of the taken one over the list
    weight  = rate . h + r                                 squared error at the taken one, where the log has weights

Wang et al. 2021, "DCN V2" (WWW, arXiv 2008.13535), stacked; listwise loss: Cao et al. 2007, "Learning to rank: from
pairwise approach to listwise approach" (ICML). `out` starts at zero, so that the ranker starts as the retrieval's order
and has to earn every change of it. The second task shares all but its last layer and is not served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
import tf_keras as keras

from dataset.query import Floats
from models.dropout import Dropout
from models.learner import Learner, over_replicas
from models.towers import item_embedding
from scoring.cross_network import CLIP, CrossNetwork

CROSS_STDDEV: Final = 0.01
"""Of a cross layer's first weights: small, so that the first crosses are small against what they correct."""


@dataclass(frozen=True)
class RankerShape:
    """Sizes and constants of a ranker."""

    numbers: int
    """Of a pair, see `scoring.pairs`."""
    items: int
    """Length of the item vocabulary, the two reserved entries included."""
    longest: int
    """Positions of a history."""
    embedding_dim: int
    """Of candidates' and history's ids; 0 for none."""
    cross_layers: int
    units: int
    dropout: float
    l2: float
    weight_loss: float
    """Share of the second task in the loss; 0 for a single task."""


class Ranker(Learner):
    """The network with its losses; `models.shortlists` describes a batch.

    Args:
        shape: its sizes.
        mean: [numbers] by which they are standardized.
        scale: [numbers], above 0.
    """

    def __init__(self, shape: RankerShape, mean: Floats, scale: Floats) -> None:
        super().__init__()
        self.shape = shape
        self.scaling = mean, scale
        self.network = network(shape, mean, scale)
        none = keras.losses.Reduction.NONE
        self.taken = tfrs.tasks.Ranking(loss=keras.losses.CategoricalCrossentropy(from_logits=True, reduction=none))
        self.weight = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError(reduction=none))

    def logits(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """What ranks the lists, and each pair's weight, [b, c] both."""
        found = self.network({layer.name: batch[layer.name] for layer in self.network.inputs}, training=training)
        return found["taken"] + batch["absent"], found["weight"]

    def compute_loss(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Mean loss of one batch, a finite scalar.

        Raises:
            tf.errors.InvalidArgumentError: the loss is NaN or infinite.
        """
        logits, weight = self.logits(batch, training)
        labels = tf.one_hot(batch["taken"], tf.shape(logits)[1])
        losses = self.taken(labels, logits, compute_metrics=False)
        if self.shape.weight_loss > 0:
            predicted = tf.gather(weight, batch["taken"], batch_dims=1)[:, None]
            losses += self.shape.weight_loss * self.weight(batch["weight"][:, None], predicted, compute_metrics=False)
        mean = over_replicas(losses)
        mean += tf.nn.scale_regularization_loss(tf.add_n(self.network.losses)) if self.network.losses else 0.0
        return tf.debugging.check_numerics(mean, "the training loss")


def network(shape: RankerShape, mean: Floats, scale: Floats) -> keras.Model:
    """(numbers float32 [b, c, numbers]) -> taken and weight, float32 [b, c] each.

    With an embedding it also reads item int32 [b, c], history int32 [b, L] and fade float32 [b, L].
    """
    numbers = keras.Input((None, shape.numbers), dtype=tf.float32, name="numbers")
    standard = tf.clip_by_value((numbers - mean) / scale, -CLIP, CLIP)
    inputs, first = {"numbers": numbers}, standard
    if shape.embedding_dim:
        inputs |= {
            "item": keras.Input((None,), dtype=tf.int32, name="item"),
            "history": keras.Input((shape.longest,), dtype=tf.int32, name="history"),
            "fade": keras.Input((shape.longest,), dtype=tf.float32, name="fade"),
        }
        embedding = item_embedding(shape.items, shape.embedding_dim)
        candidate = embedding(inputs["item"])
        summary = tf.einsum("bl,bld->bd", inputs["fade"], embedding(inputs["history"]))[:, None]
        first = keras.layers.Concatenate()([standard, candidate, tf.zeros_like(candidate) + summary])
    decay = keras.regularizers.L2(shape.l2) if shape.l2 else None
    # One number for all candidates of a list: a ranker must not lean on any of them alone.
    first = keras.layers.Dropout(shape.dropout, noise_shape=(None, 1, None))(first)
    crossed = first
    for layer in range(shape.cross_layers):
        small = keras.initializers.RandomNormal(stddev=CROSS_STDDEV)
        cross = tfrs.layers.dcn.Cross(kernel_initializer=small, kernel_regularizer=decay, name=f"cross_{layer}")
        crossed = cross(first, crossed)
    hidden = keras.layers.Dense(shape.units, activation="relu", kernel_regularizer=decay, name="hidden")(crossed)
    both = keras.layers.Concatenate()([crossed, Dropout(shape.dropout)(hidden)])
    out = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", kernel_regularizer=decay, name="out")(both)
    weight = keras.layers.Dense(1, kernel_regularizer=decay, name="rate")(both)
    taken = standard[..., 0] + out[..., 0]
    return keras.Model(inputs, {"taken": taken, "weight": weight[..., 0]}, name="ranker")


def exported(model: Ranker) -> CrossNetwork:
    """The network as it is served."""
    mean, scale = model.scaling
    shape, layer = model.shape, model.network.get_layer
    nothing = np.zeros((shape.items, 0), np.float32)
    return CrossNetwork(
        mean=mean,
        scale=scale,
        embedding=layer("item_embedding").get_weights()[0] if shape.embedding_dim else nothing,
        cross=[tuple(layer(f"cross_{number}").get_weights()) for number in range(shape.cross_layers)],
        hidden=tuple(layer("hidden").get_weights()),
        out=layer("out").get_weights()[0][:, 0],
    )
