"""The two towers of the retrieval model, as functional Keras models (TFMOT cannot wrap subclassed ones).

    query_vector(h, c)     = norm(W2 drop(relu(W1 [p; c])) + W3 p),   p = [p_1 .. p_m]
    p_j                    = sum_i softmax-like w_j(i) e(h_i),        w_j(i) starts as .5^(i / half_life_j)
    candidate_vector(item) = norm(e(item) + V2 relu(V1 [categories; year; popularity; dense]))

h is the history, newest first, c the context, e the item embedding that both towers share. Pooling over several
learned half-lives is what lets the model tell "just now" from "usually": on MovieLens the recency of the history is
worth more than any architecture. Two towers: Yi et al. 2019, "Sampling-bias-corrected neural modeling for large corpus
item recommendations" (RecSys).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from dataset.query import CONTEXT
from dataset.vocabulary import PADDING
from models import LAYER_SCOPE
from models.architecture import Architecture
from models.dropout import Dropout
from scoring.tied import EMBEDDED


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class RecencyPooling(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Weighted means of the embedded history, one for each half-life; [b, L, d], [b, L] -> [b, m * d].

    The weight of a position starts as `.5 ** (position / half_life)` and is learned from there. An empty history gives
    zeros and not NaN.
    """

    def __init__(self, half_lives: list[float], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.half_lives = list(half_lives)

    def build(self, input_shape: list[Any]) -> None:
        """Makes one learned log-weight for each half-life and position: [m, L]."""
        positions = np.arange(input_shape[1][1], dtype=np.float32)
        start = np.log(0.5) * positions / np.array(self.half_lives, np.float32)[:, None]
        self.log_weight = self.add_weight(
            "log_weight", shape=start.shape, initializer=keras.initializers.Constant(start), dtype=tf.float32
        )

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Pools `inputs` = (embedded [b, L, d], item indices [b, L])."""
        embedded, history = inputs
        present = tf.cast(tf.not_equal(history, PADDING), embedded.dtype)
        weight = tf.exp(tf.cast(self.log_weight, embedded.dtype))[None] * present[:, None, :]  # [b, m, L]
        weight = tf.math.divide_no_nan(weight, tf.reduce_sum(weight, axis=-1, keepdims=True))
        return tf.reshape(tf.matmul(weight, embedded), (-1, len(self.half_lives) * embedded.shape[-1]))

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the same layer."""
        return {**super().get_config(), "half_lives": self.half_lives}


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class MaskedMean(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Mean of the embedded entries that are not padding; [b, c, d], [b, c] -> [b, d], zeros where there is none."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Averages `inputs` = (embedded [b, c, d], indices [b, c])."""
        embedded, indices = inputs
        present = tf.cast(tf.not_equal(indices, PADDING), embedded.dtype)[..., None]
        return tf.math.divide_no_nan(tf.reduce_sum(embedded * present, axis=1), tf.reduce_sum(present, axis=1))


def item_embedding(items: int, width: int) -> keras.layers.Embedding:
    """The table both towers share, [items, width]."""
    return keras.layers.Embedding(
        items,
        width,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=0.05),
        name="item_embedding",
    )


def clear(tower: keras.Model, items: npt.NDArray[np.bool_]) -> None:
    """Makes the id vectors of some items zeros, for both towers that share them.

    Where nobody has taken an item its vector is the noise it started with, and its content has to speak alone.
    """
    embedding = tower.get_layer("item_embedding")
    (vectors,) = embedding.get_weights()
    embedding.set_weights([np.where(items[:, None], 0, vectors)])


def query_tower(architecture: Architecture, embedding: keras.layers.Embedding) -> keras.Model:
    """(history int32 [b, L] newest first, context float32 [b, 4]) -> unit vectors float32 [b, d]."""
    history = keras.Input((architecture.history_length,), dtype=tf.int32, name="history")
    context = keras.Input((len(CONTEXT),), dtype=tf.float32, name="context")
    embedded = Dropout(architecture.dropout)(embedding(history))
    pooled = RecencyPooling(architecture.half_lives, name="recency_pooling")([embedded, history])
    hidden = keras.layers.Concatenate()([pooled, context])
    for depth, units in enumerate(architecture.hidden_units):
        hidden = keras.layers.Dense(units, activation="relu", name=f"query_hidden_{depth}")(hidden)
        hidden = Dropout(architecture.dropout)(hidden)
    vector = keras.layers.Add()(
        [
            keras.layers.Dense(architecture.embedding_dim, name="query_projection")(hidden),
            # Starts at zero, so that the linear path has to earn its part.
            keras.layers.Dense(
                architecture.embedding_dim, use_bias=False, kernel_initializer="zeros", name="query_shortcut"
            )(pooled),
        ]
    )
    return keras.Model({"history": history, "context": context}, _unit(vector), name="query_tower")


def candidate_tower(architecture: Architecture, embedding: keras.layers.Embedding) -> keras.Model:
    """(item int32 [b], categories int32 [b, c], year float32 [b], popularity float32 [b, w]) -> unit vectors [b, d].

    Items that have dense features (numbers, texts) bring them as well, float32 [b, n].
    """
    item = keras.Input((), dtype=tf.int32, name="item")
    categories = keras.Input((architecture.categories_per_item,), dtype=tf.int32, name="categories")
    year = keras.Input((1,), dtype=tf.float32, name="year")
    popularity = keras.Input((architecture.popularity_windows,), dtype=tf.float32, name="popularity")
    category_vectors = keras.layers.Embedding(architecture.num_categories, 16, name="category_embedding")(categories)
    mean = MaskedMean(name="category_mean")([category_vectors, categories])
    inputs = {"item": item, "categories": categories, "year": year, "popularity": popularity}
    told = [mean, year, popularity]
    if architecture.dense:
        inputs["dense"] = keras.Input((architecture.dense,), dtype=tf.float32, name="dense")
        told.append(inputs["dense"])
    content = keras.layers.Concatenate()(told)
    content = keras.layers.Dense(architecture.embedding_dim, activation="relu", name="content_hidden")(content)
    content = keras.layers.Dense(architecture.embedding_dim, name="content_projection")(content)
    vector = keras.layers.Add()([embedding(item), content])
    return keras.Model(inputs, _unit(vector), name="candidate_tower")


def _unit(vector: tf.Tensor) -> tf.Tensor:
    """Scaled to length one, in float32 whatever the precision of the layers before."""
    return keras.layers.UnitNormalization(dtype=tf.float32)(vector)


def without_embedding(tower: keras.Model) -> keras.Model:
    """A copy of a tower, with weights of its own, that is given rows of the embedding instead of looking them up.

    Its input `embedded` is float32, [b, L, d] of a query tower and [b, d] of a candidate tower; `item` is read no more.
    """
    copy = keras.models.clone_model(tower)
    copy.set_weights(tower.get_weights())
    embedded = copy.get_layer("item_embedding").output
    around = {name: value for name, value in copy.input.items() if name != "item"} | {EMBEDDED: embedded}
    # What a tower is given and does not read, such as the ages without a clock in its encoder, is not inside.
    read = {name: value for name, value in around.items() if name == EMBEDDED or copy.get_layer(name).outbound_nodes}
    # Around it, a model whose inputs bear these names, which is how LiteRT tells them apart.
    given = {name: keras.Input(value.shape[1:], dtype=value.dtype, name=name) for name, value in around.items()}
    vector = keras.Model(read, copy.output)({name: given[name] for name in read})
    return keras.Model(given, vector, name=tower.name)
