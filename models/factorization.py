"""A factorization machine over a history and a candidate: the weight of a pair of features is a product of vectors.

    x           = [history, a bag whose weights .5^(age / half_life) sum to 1 ; candidate's id ; its content]
    score(x)    = sum over f of w_f x_f + sum over pairs f < g of (v_f . v_g) x_f x_g
    content     = [categories, sharing 1 ; year ; texts and numbers]

Rendle 2010, "Factorization machines" (ICDM). What depends on the history alone is the same for all candidates and falls
away. What depends on the candidate alone is w_i, its id's own weight, and what its content adds to that; pairs within
it would only be a second name for the same. The pairs of history and candidate are a product of two sums:

    score(h, i) = (sum of x_j v_j over j in h) . (v_i + content_i V) + w_i + content_i w

so that it is served as `scoring.pooled`. Trained with the softmax over the catalogue, which takes memory for batch x
items. Events of the history are dropped out, so that the few that say most are not learned by heart.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from dataset.features import ItemFeatures
from dataset.query import Floats, Queries
from dataset.vocabulary import OOV, PADDING
from dataset.world import Fold
from models import device
from models.attention import MASKED
from models.bags import bag
from models.fit import batches
from models.fit import fit as fit_model
from models.learner import Learner
from scoring.pooled import Pooled
from scoring.tables import Table


class FactorizationMachine(Learner):
    """Weights and loss; a batch has history int32 [b, L], newest first, and target int32 [b].

    Args:
        content: [items, c] of each candidate.
        catalogue: [items] which can be candidates.
        embedding_dim: d, width of the vectors.
        half_life: in positions; infinite for no fading.
        longest: L.
        dropout: share of a history's events that a step does not see.
    """

    def __init__(
        self,
        content: Floats,
        catalogue: npt.NDArray[np.bool_],
        *,
        embedding_dim: int,
        half_life: float,
        longest: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.content = tf.constant(content)
        self.mask = tf.constant(np.where(catalogue, 0.0, MASKED).astype(np.float32))
        self.fading = tf.constant((0.5 ** (np.arange(longest) / half_life)).astype(np.float32))
        self.dropout = keras.layers.Dropout(dropout)
        items, width = content.shape
        self.read = self.add_weight("read", shape=(items, embedding_dim), initializer=_small())
        self.item = self.add_weight("item", shape=(items, embedding_dim), initializer=_small())
        self.told = self.add_weight("told", shape=(width, embedding_dim), initializer="zeros")
        self.item_weight = self.add_weight("item_weight", shape=(items,), initializer="zeros")
        self.told_weight = self.add_weight("told_weight", shape=(width,), initializer="zeros")

    def candidates(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Vectors [items, d] and biases [items]."""
        vectors = self.item + tf.matmul(self.content, self.told)
        return vectors, self.item_weight + tf.linalg.matvec(self.content, self.told_weight)

    def compute_loss(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Mean cross-entropy of one batch over the catalogue, a finite scalar.

        Raises:
            tf.errors.InvalidArgumentError: the loss is NaN or infinite.
        """
        history = batch["history"]
        present = tf.cast(tf.not_equal(history, PADDING), tf.float32)
        weight = self.dropout(present * self.fading, training=training)
        weight = tf.math.divide_no_nan(weight, tf.reduce_sum(weight, axis=1, keepdims=True))
        query = tf.matmul(bag(history, weight, self.read.shape[0]), self.read)
        vectors, bias = self.candidates()
        logits = tf.matmul(query, vectors, transpose_b=True) + (bias + self.mask)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch["target"], logits)
        return tf.debugging.check_numerics(tf.reduce_mean(losses), "the training loss")


def _small() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.05)


def fit(
    fold: Fold,
    *,
    embedding_dim: int,
    half_life: float,
    longest: int,
    dropout: float,
    batch_size: int,
    learning_rate: float,
    epochs: int,
    seed: int,
    threads: int,
) -> Pooled:
    """Trains one, and gives it in the form in which it is served.

    Args:
        fold: what may be learned from.
        embedding_dim: width of the vectors.
        half_life: in positions; infinite for no fading.
        longest: positions of a history that are read.
        dropout: share of a history's events that a step does not see.
        batch_size: queries of a step.
        learning_rate: of Adam.
        epochs: over the queries.
        seed: of the start, the order and the dropout.
        threads: of one operation, see `models.device`.

    Raises:
        models.fit.DivergedError: the loss or a weight became NaN or infinite.
        models.fit.TooFewExamplesError: there are fewer queries than a batch has.
    """
    device.prepare(seed=seed, threads=threads)
    model = FactorizationMachine(
        content(fold.features),
        fold.catalogue,
        embedding_dim=embedding_dim,
        half_life=half_life,
        longest=longest,
        dropout=dropout,
    )
    fit_model(
        model,
        batches(examples(fold.learn, longest), batch_size=batch_size, seed=seed),
        optimizer=device.optimizer(learning_rate),
        epochs=epochs,
        patience=epochs,
        validate=None,
        label=f"factorization machine: {fold.name} fit",
    )
    vectors, bias = (np.asarray(value) for value in model.candidates())
    return Pooled(Table(vectors), Table(model.read.numpy()), bias, half_life, longest)


def examples(queries: Queries, longest: int) -> dict[str, npt.NDArray[np.generic]]:
    """History [n, longest] and target [n] of the queries whose target can be known."""
    queries = queries[queries.known()]
    return {"history": queries.history(longest), "target": queries.target}


def content(features: ItemFeatures) -> Floats:
    """[items, c] what is known of each item beside its id: categories, which share 1, year, texts and numbers."""
    row, column = np.nonzero(features.categories > OOV)
    table = np.zeros((len(features.year), int(features.categories.max(initial=OOV)) + 1), np.float32)
    table[row, features.categories[row, column]] = 1.0
    table /= np.maximum(table.sum(axis=1, keepdims=True), 1.0)
    return np.concatenate([table, features.year[:, None], features.dense], axis=1).astype(np.float32)
