"""The retrieval model: two towers under `tfrs.tasks.Retrieval`, trained on in-batch negatives.

The loss is a softmax over the batch's candidates with the logQ correction (every logit lowered by the log of the
candidate's sampling probability, or popular items are punished for being popular negatives) and with accidental hits
removed. Yi et al. 2019; the correction is worth a factor of 2 on MovieLens.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
import tf_keras as keras

from dataset.batches import CandidateFeatures, examples
from dataset.features import ItemFeatures
from dataset.query import Floats, Queries
from models import device, negatives, towers
from models.architecture import Architecture
from models.device import Policy
from models.fit import Data, batches
from models.learner import Learner, over_replicas


class Retrieval(Learner):
    """Query and candidate tower with their loss.

    A batch is a mapping with history, context, item, categories, year, popularity, dense where items have such
    features, and probability; see `dataset.batches.examples` for the shapes.
    """

    def __init__(self, architecture: Architecture, query: keras.Model, candidate: keras.Model) -> None:
        super().__init__()
        self.architecture = architecture
        self.query = query
        self.candidate = candidate
        self.task = tfrs.tasks.Retrieval(
            loss=keras.losses.CategoricalCrossentropy(from_logits=True, reduction=keras.losses.Reduction.NONE),
            temperature=architecture.temperature,
            remove_accidental_hits=True,
        )

    def compute_loss(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Mean softmax cross-entropy of one batch, a finite scalar.

        Raises:
            tf.errors.InvalidArgumentError: the loss is NaN or infinite.
        """
        query = self.query({name: batch[name] for name in ("history", "context")}, training=training)
        candidate = self.candidate(
            {name: batch[name] for name in self.architecture.candidate_inputs}, training=training
        )
        # FactorizedTopK inside the training step costs twelve times the epoch: quality is measured outside.
        losses = self.task(
            query,
            candidate,
            candidate_sampling_probability=batch["probability"],
            candidate_ids=batch["item"],
            compute_metrics=False,
        )
        return tf.debugging.check_numerics(over_replicas(losses), "the training loss")

    def compared(self, batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Rows [n] of a batch that hold each of its items once, and how likely each is in it, as a log."""
        _, rows = negatives.distinct(batch["item"])
        expected = tf.gather(batch["probability"], rows) * tf.cast(tf.size(batch["item"]), tf.float32)
        return rows, negatives.log_drawn(expected)

    def scores_among(self, batch: Mapping[str, tf.Tensor], rows: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[b, n] cosines over the temperature of a batch's queries with the items of some of its rows."""
        query = self.query({name: batch[name] for name in ("history", "context")}, training=training)
        inputs = {name: tf.gather(batch[name], rows) for name in self.architecture.candidate_inputs}
        candidates = self.candidate(inputs, training=training)
        return tf.matmul(query, candidates, transpose_b=True) / self.architecture.temperature

    def with_towers(self, query: keras.Model, candidate: keras.Model | None = None) -> "Retrieval":
        """The same model with another query tower, or two other towers."""
        return Retrieval(self.architecture, query, candidate or self.candidate)

    def data(self, queries: Queries, features: ItemFeatures, *, batch_size: int, seed: int) -> Data:
        """Shuffled batches of single queries.

        Raises:
            models.fit.TooFewExamplesError: there are fewer queries than one batch has.
        """
        return batches(examples(queries, features, self.architecture.history_length), batch_size=batch_size, seed=seed)

    def served(self) -> keras.Model:
        """The query tower as it is asked: (history [b, L], context [b, 4]) -> unit vectors [b, d]."""
        return self.query

    def encoder(self) -> keras.Model:
        """The same, given the history's rows of the embedding, `embedded` [b, L, d]; weights of its own."""
        return towers.without_embedding(self.query)

    def query_vectors(self, queries: Queries) -> Floats:
        """Unit vectors of n queries, float32 [n, d]."""
        inputs = {"history": queries.history(self.architecture.history_length), "context": queries.context()}
        return np.asarray(self.query(inputs, training=False))

    def frozen(self, features: CandidateFeatures) -> "Frozen":
        """What ranks during validation, with the items as they are at one moment."""
        return Frozen(self, features)

    def item_vectors(self, features: CandidateFeatures) -> Floats:
        """Unit vectors of all items as they are at one moment, float32 [num_items, d]."""
        inputs = features.inputs()
        names = self.architecture.candidate_inputs
        return np.asarray(self.candidate({name: inputs[name] for name in names}, training=False))


class Frozen:
    """A model with its candidates computed once: what ranks during validation.

    Args:
        model: the trained model.
        features: the items' features at the freeze.
    """

    def __init__(self, model: Retrieval, features: CandidateFeatures) -> None:
        self._model = model
        self._item_vectors = model.item_vectors(features)

    def scores(self, queries: Queries) -> Floats:
        """Cosine of each query with each item, float32 [n, num_items]."""
        return self._model.query_vectors(queries) @ self._item_vectors.T


def build(architecture: Architecture, *, policy: Policy = "float32") -> Retrieval:
    """A model with fresh weights, the item embedding shared by both towers.

    Args:
        architecture: its shape.
        policy: what the towers compute in; weights, vectors and the loss are float32 all the same.
    """
    with device.precision(policy):
        embedding = towers.item_embedding(architecture.num_items, architecture.embedding_dim)
        query, candidate = towers.query_tower(architecture, embedding), towers.candidate_tower(architecture, embedding)
    return Retrieval(architecture, query, candidate)
