"""Mult-VAE: a variational autoencoder of what a user has taken, with a multinomial likelihood.

    x       = drop(w / |w|),     w_i = .5^(age_i / half_life) of what the user has taken
    h       = tanh(x A + a)
    z       ~ N(h M + m, diag(exp(h S + s)))
    p(j)    = softmax(tanh(z B + b) . v_j + bias_j)      over the catalogue
    loss    = - mean over what was taken of log p + beta KL(z | N(0, 1)) / number taken

Liang et al. 2018, "Variational autoencoders for collaborative filtering" (WWW, arXiv 1802.05814). `beta` rises from 0
to a cap over the steps, because the whole of it lets the middle say nothing (their section 2.2.2). The paper reads a
history without order: that is a half-life of 0 in params.yaml. Its loss is a sum over what a user has taken; here it is
the mean, so that a step is of one size for long and for short histories. Served as `scoring.autoencoder`.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from dataset.query import Queries, Timelines
from dataset.vocabulary import PADDING
from dataset.world import Fold
from models import device
from models.attention import MASKED
from models.bags import bag
from models.fit import batches
from models.fit import fit as fit_model
from models.learner import Learner
from scoring.autoencoder import Autoencoder
from scoring.tables import Table


class MultVAE(Learner):
    """Weights and loss; a batch has history int32 [b, L], newest first.

    Args:
        catalogue: [items] which can be candidates.
        hidden_units: h, width of the hidden layers.
        latent_dim: d, width of the middle.
        half_life: in positions; infinite for no fading.
        longest: L.
        dropout: share of a history's events that a step does not read, and has to say all the same.
        anneal_cap: the most that the divergence weighs.
        anneal_steps: steps until it does.
    """

    def __init__(
        self,
        catalogue: npt.NDArray[np.bool_],
        *,
        hidden_units: int,
        latent_dim: int,
        half_life: float,
        longest: int,
        dropout: float,
        anneal_cap: float,
        anneal_steps: int,
    ) -> None:
        super().__init__()
        self.mask = tf.constant(np.where(catalogue, 0.0, MASKED).astype(np.float32))
        self.fading = tf.constant((0.5 ** (np.arange(longest) / half_life)).astype(np.float32))
        self.dropout = keras.layers.Dropout(dropout)
        self.anneal_cap, self.anneal_steps = anneal_cap, anneal_steps
        items = len(catalogue)
        self.read = self.add_weight("read", shape=(items, hidden_units), initializer=_start())
        self.read_bias = self.add_weight("read_bias", shape=(hidden_units,), initializer="zeros")
        self.mean = self.add_weight("mean", shape=(hidden_units, latent_dim), initializer=_start())
        self.mean_bias = self.add_weight("mean_bias", shape=(latent_dim,), initializer="zeros")
        self.spread = self.add_weight("spread", shape=(hidden_units, latent_dim), initializer=_start())
        self.spread_bias = self.add_weight("spread_bias", shape=(latent_dim,), initializer="zeros")
        self.back = self.add_weight("back", shape=(latent_dim, hidden_units), initializer=_start())
        self.back_bias = self.add_weight("back_bias", shape=(hidden_units,), initializer="zeros")
        self.vectors = self.add_weight("vectors", shape=(items, hidden_units), initializer=_start())
        self.bias = self.add_weight("bias", shape=(items,), initializer="zeros")

    def compute_loss(self, batch: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Mean loss of one batch's users, a finite scalar; without training nothing is drawn or left out.

        Raises:
            tf.errors.InvalidArgumentError: the loss is NaN or infinite.
        """
        history = batch["history"]
        present = tf.cast(tf.not_equal(history, PADDING), tf.float32)
        taken = bag(history, present, len(self.mask))
        read = bag(history, self.dropout(present * self.fading, training=training), len(self.mask))
        hidden = tf.tanh(tf.matmul(tf.math.l2_normalize(read, axis=1), self.read) + self.read_bias)
        mean = tf.matmul(hidden, self.mean) + self.mean_bias
        spread = tf.matmul(hidden, self.spread) + self.spread_bias
        middle = mean + tf.exp(spread / 2) * tf.random.normal(tf.shape(mean)) if training else mean
        back = tf.tanh(tf.matmul(middle, self.back) + self.back_bias)
        logits = tf.matmul(back, self.vectors, transpose_b=True) + (self.bias + self.mask)
        count = tf.reduce_sum(present, axis=1)
        likelihood = tf.reduce_sum(taken * tf.nn.log_softmax(logits), axis=1)
        divergence = 0.5 * tf.reduce_sum(tf.square(mean) + tf.exp(spread) - spread - 1, axis=1)
        losses = tf.math.divide_no_nan(self._beta() * divergence - likelihood, count)
        return tf.debugging.check_numerics(tf.reduce_mean(losses), "the training loss")

    def _beta(self) -> tf.Tensor:
        if not hasattr(self, "optimizer") or self.optimizer is None:
            return tf.constant(self.anneal_cap, tf.float32)
        done = tf.cast(self.optimizer.iterations, tf.float32) / float(max(self.anneal_steps, 1))
        return self.anneal_cap * tf.minimum(done, 1.0)


def _start() -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform()


def fit(
    fold: Fold,
    *,
    hidden_units: int,
    latent_dim: int,
    half_life: float,
    longest: int,
    dropout: float,
    anneal_cap: float,
    batch_size: int,
    learning_rate: float,
    epochs: int,
    seed: int,
    threads: int,
) -> Autoencoder:
    """Trains one, and gives it in the form in which it is served.

    Args:
        fold: what may be learned from.
        hidden_units: width of the hidden layers.
        latent_dim: width of the middle.
        half_life: in positions; infinite for no fading.
        longest: positions of a history that are read, and foretold in training.
        dropout: share of a history's events that a step does not read.
        anneal_cap: the most that the divergence weighs, which it does after half of the steps.
        batch_size: users of a step; all of them where there are fewer.
        learning_rate: of Adam.
        epochs: over the users.
        seed: of the start, the order, the dropout and what is drawn.
        threads: of one operation, see `models.device`.

    Raises:
        models.fit.DivergedError: the loss or a weight became NaN or infinite.
        models.fit.TooFewExamplesError: nobody has taken anything.
    """
    device.prepare(seed=seed, threads=threads)
    rows = {"history": histories(fold.known, longest, fold.freeze)}
    data = batches(rows, batch_size=min(batch_size, max(len(rows["history"]), 1)), seed=seed)
    model = MultVAE(
        fold.catalogue,
        hidden_units=hidden_units,
        latent_dim=latent_dim,
        half_life=half_life,
        longest=longest,
        dropout=dropout,
        anneal_cap=anneal_cap,
        anneal_steps=epochs * data.steps // 2,
    )
    fit_model(
        model,
        data,
        optimizer=device.optimizer(learning_rate),
        epochs=epochs,
        patience=epochs,
        validate=None,
        label=f"mult-vae: {fold.name} fit",
    )
    layers = ("read_bias", "mean", "mean_bias", "back", "back_bias", "bias")
    return Autoencoder(
        read=Table(model.read.numpy()),
        vectors=Table(model.vectors.numpy()),
        **{name: getattr(model, name).numpy() for name in layers},
        half_life=half_life,
        longest=longest,
    )


def histories(known: Timelines, longest: int, moment: int) -> npt.NDArray[np.int32]:
    """[users, longest] what each user who has taken anything has taken, newest first."""
    count = np.diff(known.starts)
    users = np.flatnonzero(count)
    asked = Queries(
        known,
        user=users.astype(np.int32),
        end=count[users],
        time=np.full(len(users), moment),
        target=np.zeros(len(users), np.int32),
    )
    return asked.history(longest)
