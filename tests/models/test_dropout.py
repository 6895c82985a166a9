"""Dropout by bytes against what dropout promises."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from models import device
from models.dropout import Dropout

ONES = np.ones((50, 7, 31), np.float32)


def dropped(rate: float, *, seed: int = 1) -> np.ndarray:
    device.seed_everything(seed)
    return np.asarray(Dropout(rate)(ONES, training=True))


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_a_share_is_zero_and_the_mean_stays(rate: float) -> None:
    found = dropped(rate)
    # 10,850 draws: four standard deviations of a share.
    near = 4 * np.sqrt(rate * (1 - rate) / found.size)
    assert np.mean(found == 0) == pytest.approx(rate, abs=near + 1 / 512)
    assert np.unique(found[found > 0]).size == 1
    assert found.mean() == pytest.approx(1, abs=near / (1 - rate) + 0.01)


def test_neighbours_fall_independently() -> None:
    zero = (dropped(0.5) == 0).ravel() - 0.5
    for lag in (1, 2, 3, 4, 31, 217):
        assert abs(np.mean(zero[lag:] * zero[:-lag])) < 4 * 0.25 / np.sqrt(zero.size)


def test_the_seed_decides_and_every_call_draws_anew() -> None:
    np.testing.assert_array_equal(dropped(0.5), dropped(0.5))
    assert (dropped(0.5) != dropped(0.5, seed=2)).any()
    layer = Dropout(0.5)
    assert (layer(ONES, training=True).numpy() != layer(ONES, training=True).numpy()).any()


def test_the_gradient_goes_where_the_values_went() -> None:
    layer, inputs = Dropout(0.5), tf.Variable(ONES)
    with tf.GradientTape() as tape:
        found = layer(inputs, training=True)
    np.testing.assert_array_equal(tape.gradient(found, inputs).numpy(), found.numpy())


def test_nothing_falls_outside_training_or_at_rate_0() -> None:
    np.testing.assert_array_equal(Dropout(0.5)(ONES), ONES)
    np.testing.assert_array_equal(Dropout(0.0)(ONES, training=True), ONES)
    model = keras.Sequential([keras.Input((7,)), Dropout(0.5)])
    np.testing.assert_array_equal(model(ONES[0, :, :7]), ONES[0, :, :7])


def test_half_precision_stays_half() -> None:
    assert Dropout(0.5, dtype=tf.float16)(ONES, training=True).dtype == tf.float16


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be at least 0 and below 1"):
        Dropout(rate)
