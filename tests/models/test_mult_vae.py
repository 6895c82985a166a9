"""Mult-VAE by hand: its loss, what it is served as, and what decides what it learns."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from dataset.query import Timelines
from dataset.world import Fold
from models import device, mult_vae
from models.fit import TooFewExamplesError
from models.mult_vae import MultVAE
from scoring.autoencoder import Autoencoder
from scoring.tables import Table
from tests.models.worlds import CATALOGUE, NUM_ITEMS, cycle

WORLD = cycle(num_users=30)
RNG = np.random.default_rng(5)
L, HIDDEN, LATENT = 6, 5, 3
LAYERS = ("read_bias", "mean", "mean_bias", "back", "back_bias", "bias")
SETTINGS: dict[str, Any] = {
    "hidden_units": HIDDEN,
    "latent_dim": LATENT,
    "half_life": 1.5,
    "longest": L,
    "dropout": 0.5,
    "anneal_cap": 0.2,
    "batch_size": 16,
    "learning_rate": 0.01,
    "epochs": 2,
    "seed": 3,
    "threads": 2,
}


def fold(known: Timelines | None = None) -> Fold:
    features = WORLD.features
    known = WORLD.timelines.before(WORLD.freeze) if known is None else known
    return Fold("toy", known, WORLD.train, WORLD.test, CATALOGUE, features.count_fit, WORLD.freeze, features)


def model(*, dropout: float = 0.0, anneal_cap: float = 0.2) -> MultVAE:
    """Random weights."""
    device.prepare(seed=1, threads=2)
    made = MultVAE(
        CATALOGUE,
        hidden_units=HIDDEN,
        latent_dim=LATENT,
        half_life=1.5,
        longest=L,
        dropout=dropout,
        anneal_cap=anneal_cap,
        anneal_steps=10,
    )
    made.set_weights([RNG.normal(size=weight.shape) for weight in made.get_weights()])
    return made


def served(made: MultVAE) -> Autoencoder:
    layers = {name: getattr(made, name).numpy() for name in LAYERS}
    return Autoencoder(
        read=Table(made.read.numpy()), vectors=Table(made.vectors.numpy()), **layers, half_life=1.5, longest=L
    )


def test_the_loss_is_the_papers() -> None:
    """Likelihood and divergence by the served form's scores and by hand, for users of the world."""
    made, asked = model(), WORLD.test
    rows = asked.history(L)
    scores = served(made).scores(asked).astype(float)
    scores[:, ~CATALOGUE] = -np.inf
    log_share = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    losses = []
    for history, told in zip(rows, log_share, strict=True):
        taken = history[history > 0]
        weight = np.zeros(NUM_ITEMS)
        np.add.at(weight, history, np.where(history > 0, 0.5 ** (np.arange(L) / 1.5), 0))
        hidden = np.tanh(weight / np.linalg.norm(weight) @ made.read.numpy() + made.read_bias.numpy())
        mean = hidden @ made.mean.numpy() + made.mean_bias.numpy()
        spread = hidden @ made.spread.numpy() + made.spread_bias.numpy()
        divergence = 0.5 * (mean**2 + np.exp(spread) - spread - 1).sum()
        losses.append((0.2 * divergence - told[taken].sum()) / len(taken))
    assert float(made.compute_loss({"history": rows})) == pytest.approx(np.mean(losses), rel=1e-4)


def test_the_divergence_weighs_nothing_at_first_and_its_cap_in_the_end() -> None:
    made, rows = model(), WORLD.test.history(L)
    made.compile(optimizer=keras.optimizers.Adam(0.0))
    whole = float(made.compute_loss({"history": rows}))
    free = model(anneal_cap=0.0)
    free.set_weights(made.get_weights())
    assert whole == pytest.approx(float(free.compute_loss({"history": rows})), rel=1e-6)
    made.optimizer.iterations.assign(5)
    half = float(made.compute_loss({"history": rows}))
    made.optimizer.iterations.assign(1000)
    most = float(made.compute_loss({"history": rows}))
    assert half - whole == pytest.approx((most - whole) / 2, rel=1e-3)
    assert most > half


def test_something_is_drawn_in_training_alone() -> None:
    made, rows = model(), {"history": tf.constant(WORLD.test.history(L))}
    assert len({float(made.compute_loss(rows)) for _ in range(5)}) == 1
    assert len({float(made.compute_loss(rows, training=True)) for _ in range(5)}) > 1


def test_a_history_is_what_was_known_newest_first() -> None:
    known = Timelines(np.array([0, 2, 2, 5]), np.array([7, 3, 9, 4, 8], np.int32), np.arange(5))
    assert mult_vae.histories(known, 2, 10).tolist() == [[3, 7], [8, 4]]


def test_the_seed_decides() -> None:
    one, same, other = (
        mult_vae.fit(fold(), **SETTINGS | {"seed": seed}).vectors.values.tobytes() for seed in (3, 3, 4)
    )
    assert one == same != other


def test_nobody_to_learn_from_is_refused() -> None:
    nobody = Timelines(np.zeros(4, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))
    with pytest.raises(TooFewExamplesError):
        mult_vae.fit(fold(nobody), **SETTINGS)
