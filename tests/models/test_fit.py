import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from models import device, retrieval
from models.fit import DivergedError, Fit, TooFewExamplesError, batches, fit
from models.retrieval import Retrieval
from tests.models import small
from tests.models.small import SHAPE

ROWS = {"row": np.arange(25), "square": np.arange(25) ** 2}


@pytest.fixture
def model() -> Retrieval:
    keras.utils.set_random_seed(3)
    return retrieval.build(SHAPE)


def passes(seed: int, count: int = 2) -> list[list[list[int]]]:
    """The rows of each batch in each of `count` passes."""
    data = batches(ROWS, batch_size=8, seed=seed).batches
    return [[batch["row"].numpy().tolist() for batch in data] for _ in range(count)]


def trained(model: Retrieval, metrics: Iterator[float] | None = None, **changed: Any) -> Fit:
    """Fits for a while; `metrics` are what validation says, epoch after epoch."""
    data = changed.pop("data", batches(small.arrays(64), batch_size=16, seed=1))
    optimizer = keras.optimizers.Adam(changed.pop("learning_rate", 0.01))
    validate = (lambda: next(metrics)) if metrics else None
    wanted: dict[str, Any] = {"epochs": 6, "patience": 2, "label": "test", **changed}
    return fit(model, data, optimizer=optimizer, validate=validate, **wanted)


def test_batches_come_in_the_order_of_the_seed() -> None:
    assert passes(seed=1) == passes(seed=1)
    assert passes(seed=1) != passes(seed=2)


def test_each_pass_has_an_order_of_its_own() -> None:
    first, second = passes(seed=1)
    assert first != second


def test_batches_are_whole_and_rows_stay_rows() -> None:
    found = list(batches(ROWS, batch_size=8, seed=1).batches)
    assert [len(batch["row"]) for batch in found] == [8, 8, 8]
    rows = np.concatenate([batch["row"] for batch in found])
    assert len(set(rows.tolist())) == 24
    np.testing.assert_array_equal(np.concatenate([batch["square"] for batch in found]), rows**2)
    assert batches(ROWS, batch_size=8, seed=1).steps == 3


def test_fewer_rows_than_a_batch_are_refused() -> None:
    assert len(list(batches(ROWS, batch_size=25, seed=1).batches)) == 1
    with pytest.raises(TooFewExamplesError, match=r"number of training examples, 25\. Received: 26"):
        batches(ROWS, batch_size=26, seed=1)


def test_early_stopping_keeps_the_best_weights(model: Retrieval) -> None:
    told = iter([0.1, 0.3, 0.2, 0.3, 0.9])
    seen: list[list[np.ndarray]] = []

    def validate() -> Iterator[float]:
        for metric in told:
            seen.append(model.get_weights())
            yield metric

    result = trained(model, validate())
    assert result == Fit(epochs=2, metric=0.3)
    assert len(seen) == 4
    for ours, best, last in zip(model.get_weights(), seen[1], seen[3], strict=True):
        np.testing.assert_array_equal(ours, best)
        assert not np.array_equal(best, last)


def test_without_validation_all_epochs_count(model: Retrieval) -> None:
    result = trained(model, epochs=3, patience=1)
    assert result.epochs == 3
    assert math.isnan(result.metric)


def test_a_fit_learns_what_is_there(model: Retrieval) -> None:
    batch = {name: tf.constant(values) for name, values in small.arrays(64).items()}
    before = float(model.compute_loss(batch))
    trained(model, epochs=20)
    assert float(model.compute_loss(batch)) < before - 0.5


def test_the_same_seed_gives_the_same_weights() -> None:
    found = []
    for seed in (5, 5, 6):
        keras.utils.set_random_seed(seed)
        model = retrieval.build(SHAPE)
        trained(model, epochs=2)
        found.append(model.get_weights())
    for ours, again in zip(found[0], found[1], strict=True):
        np.testing.assert_array_equal(ours, again)
    assert any(not np.array_equal(ours, other) for ours, other in zip(found[0], found[2], strict=True))


def test_averages_are_kept_and_training_goes_on_from_the_weights() -> None:
    def after(epochs: int, average: float) -> list[np.ndarray]:
        keras.utils.set_random_seed(5)
        model = retrieval.build(SHAPE)
        data = batches(small.arrays(32), batch_size=32, seed=1)  # a step an epoch
        fit(
            model,
            data,
            optimizer=device.optimizer(0.01, average=average),
            epochs=epochs,
            patience=epochs,
            validate=None,
            label="test",
        )
        weights: list[np.ndarray] = model.get_weights()
        return weights

    keras.utils.set_random_seed(5)
    first = retrieval.build(SHAPE).get_weights()
    once, twice = after(1, 0.0), after(2, 0.0)
    for start, one, two, ours in zip(first, once, twice, after(2, 0.75), strict=True):
        np.testing.assert_allclose(ours, 0.75**2 * start + 0.75 * 0.25 * one + 0.25 * two, rtol=1e-5, atol=1e-7)
    assert any(not np.allclose(one, two) for one, two in zip(once, twice, strict=True))


def poisoned(name: str, value: float) -> tf.data.Dataset:
    arrays = small.arrays(64)
    arrays[name][40] = value
    return batches(arrays, batch_size=16, seed=1)


@pytest.mark.parametrize("learning_rate", [1e30, math.nan])
def test_a_learning_rate_that_is_too_high_is_told(model: Retrieval, learning_rate: float) -> None:
    with pytest.raises(
        DivergedError, match=r"test: (the loss|a weight) became NaN or infinite in epoch 1; nothing was written"
    ):
        trained(model, learning_rate=learning_rate)


@pytest.mark.parametrize(
    ("name", "value"),
    [("context", math.nan), ("context", math.inf), ("popularity", math.nan), ("probability", math.nan)],
)
def test_data_that_is_no_number_is_told(model: Retrieval, name: str, value: float) -> None:
    with pytest.raises(DivergedError, match=r"test: (the loss|a weight) became NaN or infinite in epoch 1"):
        trained(model, data=poisoned(name, value))


def test_the_last_step_is_looked_at_too(model: Retrieval) -> None:
    """The loss before a step is finite, the weights after it are not, and no other step follows."""
    data = batches(small.arrays(16), batch_size=16, seed=1)
    with pytest.raises(DivergedError, match="test: a weight became NaN"):
        trained(model, data=data, epochs=1, learning_rate=math.inf)


def test_other_errors_of_tensorflow_are_not_taken_for_divergence(model: Retrieval) -> None:
    arrays = small.arrays(32)
    arrays["item"][:] = SHAPE.num_items + 5
    with pytest.raises(tf.errors.InvalidArgumentError, match="indices"):
        trained(model, data=batches(arrays, batch_size=16, seed=1))


def test_validation_is_asked_once_an_epoch(model: Retrieval) -> None:
    asked = itertools.count()
    trained(model, (float(epoch) for epoch in asked), epochs=4)
    assert next(asked) == 4
