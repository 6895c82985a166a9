"""Sequential retrieval: a query tower that reads the history event by event, trained on every position of it.

    state       = encoder(history, ages) at the last event before the query            transformer, GRU or LSTM
    query       = [norm(W1 drop(relu(W2 [state; context])) + W3 state) / temperature ; trend weights(context)]
    candidate   = [norm(e(item) + content(categories, year, dense))                  ; popularity in each window]
    score       = query . candidate

The loss is the softmax cross-entropy over the catalogue, or over a sample of it with the logQ correction (Yi et al.
2019) where the catalogue is large: half of the negatives drawn as they are taken, half evenly (mixed negatives, Yang et
al. 2020), one sample for a whole batch. Items nobody had taken at a query's moment are no negatives of it. Popularity
is that of the query's moment in training and that of the freeze when served. Encoder: Kang and McAuley 2018, SASRec
(arXiv 1808.09781); full softmax: Klenitskiy and Vasilev 2023 (arXiv 2309.07602).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from dataset.batches import CandidateFeatures
from dataset.features import ItemFeatures
from dataset.query import CONTEXT, Floats, Queries
from dataset.vocabulary import OOV, PADDING
from models import LAYER_SCOPE, device, negatives, sequence_data
from models.architecture import SequenceArchitecture
from models.attention import MASKED, CausalAttention, Visibility
from models.device import Policy
from models.dropout import Dropout
from models.fit import Data
from models.learner import Learner, over_replicas
from models.recurrent import Recurrent
from models.towers import MaskedMean, item_embedding, without_embedding
from scoring.tied import EMBEDDED


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class At(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Rows of the states by flat index, zeros where the index is negative; [b, L, d], [m] -> [m, d]."""

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Gathers from `inputs` = (states, index)."""
        states, index = inputs
        flat = tf.reshape(states, (-1, states.shape[-1]))
        found = tf.gather(flat, tf.maximum(index, 0))
        return found * tf.cast(index >= 0, found.dtype)[:, None]


def query_tower(architecture: SequenceArchitecture, embedding: keras.layers.Embedding) -> keras.Model:
    """(history int32 [b, L] newest first, age int32 [b, L], at int32 [m], context float32 [m, 4]) -> [m, d + w]."""
    history = keras.Input((None,), dtype=tf.int32, name="history")
    age = keras.Input((None,), dtype=tf.int32, name="age")
    at = keras.Input((), dtype=tf.int32, name="at")
    context = keras.Input((len(CONTEXT),), dtype=tf.float32, name="context")
    embedded = Dropout(architecture.dropout)(embedding(history))
    if architecture.encoder == "transformer":
        states = _transformer(architecture, embedded, history, age)
    else:
        states = _recurrent(architecture, embedded, history)
    state = At(name="at_query")([states, at])
    vector = _head(architecture, state, context)
    return keras.Model({"history": history, "age": age, "at": at, "context": context}, vector, name="query_tower")


def _transformer(architecture: SequenceArchitecture, x: tf.Tensor, history: tf.Tensor, age: tf.Tensor) -> tf.Tensor:
    width, dropout = architecture.embedding_dim, architecture.dropout
    seen = Visibility(name="visibility")([history, age])
    for block in range(architecture.blocks):
        normed = keras.layers.LayerNormalization(epsilon=1e-6, name=f"attention_norm_{block}")(x)
        query, key, value = (
            keras.layers.Dense(width, use_bias=False, name=f"{part}_{block}")(normed)
            for part in ("query", "key", "value")
        )
        attention = CausalAttention(
            architecture.half_lives, architecture.history_length, architecture.timed, name=f"attention_{block}"
        )([query, key, value, *seen])
        attention = keras.layers.Dense(width, name=f"attention_out_{block}")(attention)
        x = keras.layers.Add()([x, Dropout(dropout)(attention)])
        normed = keras.layers.LayerNormalization(epsilon=1e-6, name=f"forward_norm_{block}")(x)
        hidden = keras.layers.Dense(width * architecture.forward_factor, activation="gelu", name=f"forward_{block}")(
            normed
        )
        hidden = keras.layers.Dense(width, name=f"forward_out_{block}")(Dropout(dropout)(hidden))
        x = keras.layers.Add()([x, Dropout(dropout)(hidden)])
    return keras.layers.LayerNormalization(epsilon=1e-6, name="last_norm")(x)


def _recurrent(architecture: SequenceArchitecture, x: tf.Tensor, history: tf.Tensor) -> tf.Tensor:
    for block in range(architecture.blocks):
        x = Recurrent(architecture.encoder, architecture.embedding_dim, name=f"recurrent_{block}")([x, history])
        x = Dropout(architecture.dropout)(x)
    return keras.layers.LayerNormalization(epsilon=1e-6, name="last_norm")(x)


def _head(architecture: SequenceArchitecture, state: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
    """[m, d + w]: the query's direction at length 1 / temperature, and the weights of the trends."""
    both = keras.layers.Concatenate()([state, context])
    hidden = keras.layers.Dense(architecture.head_units, activation="relu", name="head_hidden")(both)
    dropped = Dropout(architecture.dropout)(hidden)
    # Starts at zero, so that it is the encoder's state alone at first.
    correction = keras.layers.Dense(architecture.embedding_dim, kernel_initializer="zeros", name="head_out")(dropped)
    vector = keras.layers.Add(dtype=tf.float32)([state, correction])
    if architecture.temperature > 0:
        unit = keras.layers.UnitNormalization(dtype=tf.float32)(vector)
        vector = keras.layers.Rescaling(1.0 / architecture.temperature, dtype=tf.float32)(unit)
    if not architecture.trends:
        return vector
    weights = keras.layers.Dense(architecture.trends, kernel_initializer="zeros", name="trend_weights")(hidden)
    return keras.layers.Concatenate(dtype=tf.float32)([vector, weights])


def candidate_tower(architecture: SequenceArchitecture, embedding: keras.layers.Embedding) -> keras.Model:
    """(item int32 [n], categories int32 [n, c], year float32 [n, 1]) -> float32 [n, d].

    Items that have dense features (numbers, texts) bring them as well, float32 [n, w], as part of the content.
    """
    item = keras.Input((), dtype=tf.int32, name="item")
    categories = keras.Input((architecture.categories_per_item,), dtype=tf.int32, name="categories")
    year = keras.Input((1,), dtype=tf.float32, name="year")
    inputs = {"item": item, "categories": categories, "year": year}
    if architecture.dense:
        inputs["dense"] = keras.Input((architecture.dense,), dtype=tf.float32, name="dense")
    vector = embedding(item)
    if architecture.content:
        # Whole ids are dropped, so that the content learns to stand for an item of which nothing else is known.
        vector = keras.layers.Dropout(architecture.id_dropout, noise_shape=(None, 1))(vector)
        category = keras.layers.Embedding(architecture.num_categories, 16, name="category_embedding")(categories)
        told = [MaskedMean(name="category_mean")([category, categories]), year]
        told += [inputs["dense"]] if architecture.dense else []
        both = keras.layers.Concatenate()(told)
        hidden = keras.layers.Dense(architecture.embedding_dim, activation="relu", name="content_hidden")(both)
        content = keras.layers.Dense(architecture.embedding_dim, name="content_projection")(hidden)
        vector = keras.layers.Add()([vector, content])
    as_scored = keras.layers.UnitNormalization if architecture.temperature > 0 else keras.layers.Identity
    return keras.Model(inputs, as_scored(dtype=tf.float32)(vector), name="candidate_tower")


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class Newest(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Where each row's newest event is, as `At` wants it: [b, L] -> [b]."""

    def call(self, history: tf.Tensor) -> tf.Tensor:
        """Flat index of the first column, -1 where it is padding."""
        rows, length = tf.shape(history)[0], tf.shape(history)[1]
        return tf.where(tf.not_equal(history[:, 0], PADDING), tf.range(rows) * length, sequence_data.NOWHERE)


class Sequential(Learner):
    """Query and candidate tower with the softmax over the catalogue; `models.sequence_data` describes a batch."""

    def __init__(self, architecture: SequenceArchitecture, query: keras.Model, candidate: keras.Model) -> None:
        super().__init__()
        self.architecture = architecture
        self.query = query
        self.candidate = candidate

    def compute_loss(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Mean cross-entropy of one batch's queries, a finite scalar.

        Raises:
            tf.errors.InvalidArgumentError: the loss is NaN or infinite.
        """
        query = self.query({name: batch[name] for name in ("history", "age", "at", "context")}, training=training)
        losses = (
            self._sampled(query, batch, training) if self.architecture.negatives else self._full(query, batch, training)
        )
        return tf.debugging.check_numerics(over_replicas(losses), "the training loss")

    def compared(self, batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Items [n], each once: the catalogue, or a sample where the loss has one; and how likely each is, as a log."""
        if not self.architecture.negatives:
            return batch["all_item"], tf.zeros_like(batch["all_share"])
        drawn, expected = _mixed_negatives(batch["all_share"], self.architecture.negatives)
        items, first = negatives.distinct(drawn)
        return items, negatives.log_drawn(tf.gather(expected, first))

    def scores_among(self, batch: Mapping[str, tf.Tensor], items: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[m, n] of a batch's queries and some items; MASKED where nobody had taken an item by then."""
        query = self.query({name: batch[name] for name in ("history", "age", "at", "context")}, training=training)
        inputs = {name: tf.gather(batch[f"all_{name}"], items) for name in self.architecture.candidate_inputs}
        candidates = self.candidate(inputs, training=training)
        popularity = None
        if self.architecture.trends:
            popularity = tf.gather(tf.gather(batch["all_popularity"], batch["snapshot"]), items, axis=1)
        born = tf.gather(batch["all_birth"], items)[None] < batch["alive"][:, None]
        return tf.where(born, self._logits(query, candidates, popularity), MASKED)

    def with_towers(self, query: keras.Model, candidate: keras.Model | None = None) -> "Sequential":
        """The same model with another query tower, or two other towers."""
        return Sequential(self.architecture, query, candidate or self.candidate)

    def data(self, queries: Queries, features: ItemFeatures, *, batch_size: int, seed: int) -> Data:
        """Batches of windows, cut anew for each epoch."""
        return sequence_data.data(self.architecture, queries, features, batch_size=batch_size, seed=seed)

    def served(self) -> keras.Model:
        """The query tower as it is asked: (history, age [b, L], context [b, 4]) -> [b, d + w]."""
        return self._asked(self.query)

    def encoder(self) -> keras.Model:
        """The same, given the history's rows of the embedding, `embedded` [b, L, d]; weights of its own."""
        return self._asked(without_embedding(self.query))

    def _asked(self, query: keras.Model) -> keras.Model:
        """A query tower at each history's newest event."""
        shape = (self.architecture.history_length,)
        inputs = {
            "history": keras.Input(shape, dtype=tf.int32, name="history"),
            "age": keras.Input(shape, dtype=tf.int32, name="age"),
            "context": keras.Input((len(CONTEXT),), dtype=tf.float32, name="context"),
        }
        if EMBEDDED in query.input:
            inputs[EMBEDDED] = keras.Input((*shape, self.architecture.embedding_dim), name=EMBEDDED)
        vector = query({**inputs, "at": Newest(name="newest")(inputs["history"])})
        return keras.Model(inputs, vector, name="served_query_tower")

    def frozen(self, features: CandidateFeatures) -> "Frozen":
        """What ranks during validation, with the items as they are at one moment."""
        return Frozen(self, features)

    def item_vectors(self, features: CandidateFeatures) -> Floats:
        """[num_items, d + w] all items as they are at one moment."""
        inputs = features.inputs()
        vectors = self.candidate({name: inputs[name] for name in self.architecture.candidate_inputs}, training=False)
        trends = features.popularity[:, : self.architecture.trends]
        return np.concatenate([np.asarray(vectors), trends], axis=1).astype(np.float32)

    def _full(self, query: tf.Tensor, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """[m] cross-entropy over the target and all items that anybody had taken by then."""
        candidates = self.candidate(
            {name: batch[f"all_{name}"] for name in self.architecture.candidate_inputs}, training=training
        )
        popularity = tf.gather(batch["all_popularity"], batch["snapshot"]) if self.architecture.trends else None
        born = batch["all_birth"][None] < batch["alive"][:, None]
        total = log_partition(tf.where(born, self._logits(query, candidates, popularity), MASKED))
        positive = self._positive(query, batch, tf.gather(candidates, batch["target"]))
        counted = tf.gather(batch["all_birth"], batch["target"]) < batch["alive"]
        return tf.where(counted, total, tf.reduce_logsumexp(tf.stack([total, positive], axis=1), axis=1)) - positive

    def _sampled(self, query: tf.Tensor, batch: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        """[m] cross-entropy with the sum over all other items estimated from a sample, weighted by 1 / probability."""
        target, count = batch["target"], self.architecture.negatives
        negative, expected = _mixed_negatives(batch["all_share"], count)
        drawn = tf.concat([target, negative], axis=0)
        inputs = {name: tf.gather(batch[f"all_{name}"], drawn) for name in self.architecture.candidate_inputs}
        candidates = self.candidate(inputs, training=training)
        ours, others = candidates[: tf.shape(target)[0]], candidates[tf.shape(target)[0] :]
        positive = self._positive(query, batch, ours)
        popularity = None
        if self.architecture.trends:
            popularity = tf.gather(tf.gather(batch["all_popularity"], batch["snapshot"]), negative, axis=1)
        logits = self._logits(query, others, popularity) - tf.math.log(expected)[None]
        unborn = tf.gather(batch["all_birth"], negative)[None] >= batch["alive"][:, None]
        hit = target[:, None] == negative[None]
        logits += tf.where(tf.logical_or(unborn, hit), MASKED, 0.0)
        return tf.reduce_logsumexp(tf.concat([positive[:, None], logits], axis=1), axis=1) - positive

    def _positive(self, query: tf.Tensor, batch: Mapping[str, tf.Tensor], ours: tf.Tensor) -> tf.Tensor:
        """[m] scores of the targets, whose vectors are `ours` [m, d]."""
        width = self.architecture.embedding_dim
        found = tf.reduce_sum(query[:, :width] * ours, axis=1)
        if self.architecture.trends:
            then = tf.gather_nd(batch["all_popularity"], tf.stack([batch["snapshot"], batch["target"]], axis=1))
            found += tf.reduce_sum(query[:, width:] * then, axis=1)
        return found

    def _logits(self, query: tf.Tensor, candidates: tf.Tensor, popularity: tf.Tensor | None) -> tf.Tensor:
        """[m, n] scores; `popularity` [m, n, w] at each query's moment."""
        width = self.architecture.embedding_dim
        logits = tf.matmul(query[:, :width], candidates, transpose_b=True)
        return logits if popularity is None else logits + tf.einsum("mw,mnw->mn", query[:, width:], popularity)


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
def log_partition(logits: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """[m] log of the sum of the exponentials of [m, n].

    The library's cross-entropy takes twice as long where operations have to be deterministic: it looks the targets up
    in the logits, and the gradient of a look-up is a sum over all of them, one after the other.
    """
    most = tf.reduce_max(logits, axis=1, keepdims=True)
    exponential = tf.exp(logits - most)
    total = tf.reduce_sum(exponential, axis=1, keepdims=True)
    value = (most + tf.math.log(total))[:, 0]

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return exponential * (upstream[:, None] / total)

    return value, gradient


def _mixed_negatives(share: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """`count` items, half drawn by `share` [N] and half evenly, and how often each was to be expected among them."""
    items = tf.shape(share)[0]
    taken = tf.random.categorical(tf.math.log(share + 1e-12)[None], count // 2, dtype=tf.int32)[0]
    even = tf.random.uniform((count - count // 2,), OOV + 1, items, dtype=tf.int32)
    drawn = tf.concat([taken, even], axis=0)
    evenly = (count - count // 2) / tf.cast(items - OOV - 1, tf.float32)
    return drawn, count // 2 * tf.gather(share, drawn) + evenly


class Frozen:
    """A model with its candidates computed once: what ranks during validation."""

    def __init__(self, model: Sequential, features: CandidateFeatures) -> None:
        self._length = model.architecture.history_length
        self._items = model.item_vectors(features)
        served = model.served()
        self._served = tf.function(lambda inputs: served(inputs, training=False), reduce_retracing=True)

    def scores(self, queries: Queries) -> Floats:
        """[n, num_items]."""
        inputs: dict[str, Any] = {name: tf.constant(value) for name, value in queries.inputs(self._length).items()}
        scores: Floats = self._served(inputs).numpy() @ self._items.T
        return scores


def build(architecture: SequenceArchitecture, *, policy: Policy = "float32") -> Sequential:
    """A model with fresh weights, the item embedding shared by both towers.

    Args:
        architecture: its shape.
        policy: what the towers compute in; weights, vectors and the loss are float32 all the same.
    """
    with device.precision(policy):
        embedding = item_embedding(architecture.num_items, architecture.embedding_dim)
        query, candidate = query_tower(architecture, embedding), candidate_tower(architecture, embedding)
    return Sequential(architecture, query, candidate)
