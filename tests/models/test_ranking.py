"""The ranker before and after a step: where it starts, what its losses are, and that numpy says the same."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from models import device
from models.ranking import Ranker, exported
from scoring.fading import Fading
from scoring.pairs import Pairs
from tests.models.rankable import CANDIDATES, RETRIEVAL, lists, shape

PAIRS: Pairs = RETRIEVAL.pairs
SOME = lists()[1:17]
"""None of them took the last of its list."""


def moved(model: Ranker, seed: int = 1) -> Ranker:
    """Every weight somewhere else, the zeros among them."""
    rng = np.random.default_rng(seed)
    model.network.set_weights([0.3 * rng.normal(size=weight.shape) for weight in model.network.get_weights()])
    return model


def ranker(**changed: Any) -> Ranker:
    return Ranker(shape(**changed), *SOME.scaling)


def batch() -> dict[str, np.ndarray]:
    return SOME.arrays()


def test_it_starts_as_the_order_of_the_retrieval() -> None:
    device.prepare(seed=7, threads=2)
    logits = np.asarray(ranker().logits(batch())[0])
    np.testing.assert_array_equal(np.argsort(-logits, kind="stable"), np.tile(np.arange(CANDIDATES), (16, 1)))


@pytest.mark.parametrize("embedding_dim", [0, 4])
def test_numpy_says_what_keras_says(embedding_dim: int) -> None:
    device.prepare(seed=7, threads=2)
    model = moved(ranker(embedding_dim=embedding_dim))
    ours = np.asarray(model.logits(batch())[0])
    # The same queries: of users whose first item is the history.
    history = Fading(SOME.history[:, :1], np.ones((16, 1, 1), np.float32))
    served = exported(model).scores(SOME.numbers, SOME.items, history)
    np.testing.assert_allclose(served, ours, rtol=1e-5, atol=1e-5 * np.abs(ours).max())
    # The control: other weights say something else.
    other = exported(moved(model, seed=2)).scores(SOME.numbers, SOME.items, history)
    assert np.abs(other - ours).max() > 0.1


def test_a_cross_layer_is_the_papers() -> None:
    """x0 * (W x + b) + x, with W as the export has it."""
    model = moved(ranker())
    kernel, bias = model.network.get_layer("cross_0").get_weights()
    first, x = np.random.default_rng(0).normal(size=(2, 5, shape().numbers)).astype(np.float32)
    found = np.asarray(model.network.get_layer("cross_0")(tf.constant(first), tf.constant(x)))
    np.testing.assert_allclose(found, first * (x @ kernel + bias) + x, rtol=1e-4, atol=1e-5)


def test_the_first_loss_is_the_lists_cross_entropy() -> None:
    model, arrays = ranker(), batch()
    # At the start the logits are the standardized scores; what is absent counts nothing.
    mean, scale = SOME.scaling
    logits = (arrays["numbers"][..., 0].astype(np.float64) - mean[0]) / scale[0]
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(16), arrays["taken"]]
    decay = float(tf.add_n(model.network.losses))
    assert float(model.compute_loss(arrays)) == pytest.approx(expected.mean() + decay, rel=1e-5)


def test_what_is_absent_is_no_negative() -> None:
    model, arrays = moved(ranker()), batch()
    assert arrays["taken"].max() < CANDIDATES - 1
    shorter = arrays | {"absent": arrays["absent"].copy()}
    shorter["absent"][:, -1] = -1e9
    without = {
        name: value[:, :-1] if name in ("numbers", "absent", "item") else value for name, value in arrays.items()
    }
    assert float(model.compute_loss(shorter)) == pytest.approx(float(model.compute_loss(without)), rel=1e-5)
    assert float(model.compute_loss(shorter)) < float(model.compute_loss(arrays))


def test_the_second_task_is_the_squared_error_at_what_was_taken() -> None:
    arrays = batch()
    alone, both = ranker(), ranker(weight_loss=0.5)
    both.network.set_weights(alone.network.get_weights())
    predicted = np.asarray(both.logits(arrays)[1])[np.arange(16), arrays["taken"]]
    error = float(np.mean((predicted - arrays["weight"]) ** 2))
    assert error > 0.1
    assert float(both.compute_loss(arrays)) == pytest.approx(float(alone.compute_loss(arrays)) + 0.5 * error, rel=1e-5)


def test_a_step_makes_the_loss_smaller() -> None:
    device.prepare(seed=7, threads=2)
    model = ranker(embedding_dim=4, weight_loss=0.5)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    arrays = {name: tf.constant(value) for name, value in batch().items()}
    before = float(model.compute_loss(arrays))
    for _ in range(20):
        model.train_step(arrays)
    assert float(model.compute_loss(arrays)) < 0.9 * before


def test_a_loss_that_is_no_number_stops() -> None:
    arrays = batch() | {"numbers": np.full_like(batch()["numbers"], np.nan)}
    with pytest.raises(tf.errors.InvalidArgumentError, match="the training loss"):
        ranker().compute_loss(arrays)
