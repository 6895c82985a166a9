"""Knowledge distillation: a small model with fresh weights is taught by the float model, its teacher.

    loss     = usual + weight * (ranking + soft)
    ranking  = -sum_r w_r log p(l_r),  w_r ~ exp(-r / FADING), p the softmax of the student over all it is compared with
    soft     = -T^2 sum_r softmax(t / T)_r log softmax(s / T)_r

l is the teacher's list of the `top` items for a query, best first, t and s what teacher and student score them with.
`ranking` is ranking distillation: the teacher's list counts as taken, the more the higher (Tang and Wang 2018, KDD,
arXiv 1809.07428), under the softmax that our models learn by in place of the paper's sigmoid. `soft` are soft labels at
the temperature T (Hinton et al. 2015, arXiv 1503.02531). Both compare the items that the usual loss does: a sequence
model's catalogue, or its sample, and the batch's items of a two-tower model. The teacher is asked anew for each batch.

A student is a plain model of its teacher's family, so that it can be kept in any way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
import tensorflow as tf

from models import stored, towers
from models.architecture import Architecture, SequenceArchitecture
from models.attention import MASKED
from models.compression.retraining import Retraining
from models.learner import Learner
from models.stored import Retriever

FADING: Final = 10.0
"""Places of the teacher's list after which one counts 1/e."""


@dataclass(frozen=True)
class Student:
    """How small it is."""

    width_share: float
    """Of the widths of its teacher: of the embedding, and of the hidden layers behind it."""
    blocks: int
    """Of a sequence model, at most."""


@dataclass(frozen=True)
class Teaching:
    """How it is taught."""

    top: int
    """Length of the teacher's lists."""
    temperature: float
    """Of the soft labels, over that of the model."""
    weight: float
    """Of either of the teacher's losses; the usual one weighs 1."""
    epochs: int


@dataclass(frozen=True)
class _Asked:
    """Keeps a teacher out of what Keras counts as a model's own weights."""

    model: Retriever


class Distilling(Learner):
    """A student with the loss that its teacher adds; its weights are the student's."""

    def __init__(self, student: Retriever, teacher: Retriever, teaching: Teaching) -> None:
        super().__init__()
        self.student = student
        self._teacher = _Asked(teacher)
        self._teaching = teaching

    def compute_loss(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The usual loss of one batch and the teacher's, a finite scalar.

        Raises:
            tf.errors.InvalidArgumentError: the loss is NaN or infinite.
        """
        usual = self.student.compute_loss(batch, training=training)
        items, log_drawn = self.student.compared(batch)
        theirs = tf.stop_gradient(self._teacher.model.scores_among(batch, items, training=False))
        ours = self.student.scores_among(batch, items, training=training)
        taught = ranking(theirs, ours, log_drawn, self._teaching.top)
        taught += soft(theirs, ours, self._teaching.top, self._teaching.temperature)
        loss = usual + self._teaching.weight * tf.reduce_mean(taught)
        return tf.debugging.check_numerics(loss, "the training loss")


def ranking(theirs: tf.Tensor, ours: tf.Tensor, log_drawn: tf.Tensor, top: int) -> tf.Tensor:
    """[m] cross-entropy of the teacher's lists, the higher places weighing more.

    Args:
        theirs: [m, n] the teacher's scores; MASKED for what is no candidate.
        ours: [m, n] the student's, MASKED for the same.
        log_drawn: [n] of the probability that an item is among the n, for the logQ correction; 0 for a catalogue.
        top: length of the lists; shorter where there are fewer candidates.
    """
    found, lists = tf.math.top_k(theirs, tf.minimum(top, tf.shape(theirs)[1]))
    place = tf.range(tf.shape(found)[1], dtype=tf.float32)
    weight = tf.exp(-place / FADING)[None] * tf.cast(found > MASKED / 2, tf.float32)
    weight = tf.math.divide_no_nan(weight, tf.reduce_sum(weight, axis=1, keepdims=True))
    log_p = tf.nn.log_softmax(ours - log_drawn[None])
    return -tf.reduce_sum(weight * tf.gather(log_p, lists, batch_dims=1), axis=1)


def soft(theirs: tf.Tensor, ours: tf.Tensor, top: int, temperature: float) -> tf.Tensor:
    """[m] cross-entropy of the teacher's and the student's softened scores of the teacher's lists; see `ranking`."""
    found, lists = tf.math.top_k(theirs, tf.minimum(top, tf.shape(theirs)[1]))
    label = tf.nn.softmax(found / temperature)
    log_p = tf.nn.log_softmax(tf.gather(ours, lists, batch_dims=1) / temperature)
    return -(temperature**2) * tf.reduce_sum(label * log_p, axis=1)


def distilled(retraining: Retraining, name: str, student: Student, teaching: Teaching) -> Retriever:
    """A student of the float model, trained from fresh weights.

    Args:
        retraining: of the float model; its epochs are not read.
        name: for the progress bar.
        student: how small.
        teaching: how.
    """
    teacher = retraining.start()
    made = stored.build(smaller(teacher.architecture, student))
    alone = replace(
        retraining, data=lambda _: retraining.data(made), optimizer=retraining.afresh, epochs=teaching.epochs
    )
    alone.train(Distilling(made, teacher, teaching), name)
    # What nobody has taken is zeros in the float model, and would be the noise that it started with in its student.
    (vectors,) = teacher.candidate.get_layer("item_embedding").get_weights()
    towers.clear(made.candidate, np.all(vectors == 0, axis=1))
    return made


def smaller(shape: Architecture | SequenceArchitecture, student: Student) -> Architecture | SequenceArchitecture:
    """A student's architecture; widths of at least 1, one that attention's heads divide."""

    def narrow(width: int, multiple: int = 1) -> int:
        return max(round(width * student.width_share / multiple), 1) * multiple

    if isinstance(shape, Architecture):
        hidden = [narrow(units) for units in shape.hidden_units]
        return msgspec.structs.replace(shape, embedding_dim=narrow(shape.embedding_dim), hidden_units=hidden)
    heads = len(shape.half_lives) if shape.encoder == "transformer" else 1
    return msgspec.structs.replace(
        shape,
        embedding_dim=narrow(shape.embedding_dim, heads),
        head_units=narrow(shape.head_units),
        blocks=min(student.blocks, shape.blocks),
    )
