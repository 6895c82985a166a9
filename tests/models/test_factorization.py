"""The machine against Rendle's formula, pair by pair, and what decides what it learns."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dataset.vocabulary import RESERVED
from dataset.world import Fold
from models import factorization
from models.factorization import FactorizationMachine
from models.fit import TooFewExamplesError
from tests.models.worlds import CATALOGUE, NUM_ITEMS, cycle

WORLD = cycle(num_users=30)
RNG = np.random.default_rng(5)
L = 6
SETTINGS: dict[str, Any] = {
    "embedding_dim": 4,
    "half_life": 1.5,
    "longest": L,
    "dropout": 0.5,
    "batch_size": 32,
    "learning_rate": 0.01,
    "epochs": 2,
    "seed": 3,
    "threads": 2,
}


def fold() -> Fold:
    features, known = WORLD.features, WORLD.timelines.before(WORLD.freeze)
    return Fold("toy", known, WORLD.train, WORLD.test, CATALOGUE, features.count_fit, WORLD.freeze, features)


def machine(dropout: float = 0.0) -> FactorizationMachine:
    """Random weights, its content and biases included."""
    made = FactorizationMachine(
        factorization.content(WORLD.features), CATALOGUE, embedding_dim=4, half_life=1.5, longest=L, dropout=dropout
    )
    made.set_weights([RNG.normal(size=weight.shape) for weight in made.get_weights()])
    return made


def by_pairs(made: FactorizationMachine, history: np.ndarray, item: int) -> float:
    """What differs between candidates of Rendle's sum over all pairs of features, (v_f . v_g) x_f x_g."""
    content = factorization.content(WORLD.features)[item]
    fading = np.where(history > 0, 0.5 ** (np.arange(L) / 1.5), 0)
    taken = [(made.read.numpy()[i], x) for i, x in zip(history, fading / fading.sum(), strict=True)]
    told = [(vector, x) for vector, x in zip(made.told.numpy(), content, strict=True)]
    candidate = [(made.item.numpy()[item], 1.0), *told]
    alone = {id(vector) for vector, _ in candidate}
    pairs = sum(
        float(v @ u) * x * y
        for (v, x), (u, y) in combinations([*taken, *candidate], 2)
        if (id(v) in alone) != (id(u) in alone)
    )
    return float(pairs) + float(made.item_weight.numpy()[item] + content @ made.told_weight.numpy())


def test_it_is_the_sum_over_pairs() -> None:
    """By the loss: exp(-loss) is the share of the target among all that can be recommended."""
    made = machine()
    for history in ([3, 9, 4, 4, 0, 0], [7, 2, 8, 11, 30, 5]):
        scores = np.array([by_pairs(made, np.array(history), item) for item in range(NUM_ITEMS)])
        for target in (2, 17):
            share = np.exp(scores[target]) / np.exp(scores[len(RESERVED) :]).sum()
            batch = {"history": np.array([history], np.int32), "target": np.array([target], np.int32)}
            assert float(made.compute_loss(batch)) == pytest.approx(-np.log(share), rel=1e-4)


def test_what_is_served_is_what_was_trained() -> None:
    form, asked = factorization.fit(fold(), **SETTINGS), WORLD.test
    scores, data = form.scores(asked), factorization.examples(asked, L)
    logits = scores[:, CATALOGUE].astype(float)
    losses = np.log(np.exp(logits).sum(axis=1)) - scores[np.arange(len(asked)), asked.target]
    made = FactorizationMachine(
        factorization.content(WORLD.features), CATALOGUE, embedding_dim=4, half_life=1.5, longest=L, dropout=0.5
    )
    read, vectors = (table.wide() for table in (form.read or form.vectors, form.vectors))
    none = [np.zeros(weight.shape) for weight in made.get_weights()[2:]]
    # The candidates' content has gone into their vectors and biases.
    made.set_weights([read, vectors, *none])
    made.item_weight.assign(form.bias)
    assert float(made.compute_loss(data)) == pytest.approx(losses.mean(), rel=1e-5)


def test_the_content_of_an_item_that_nobody_took_gives_it_a_vector() -> None:
    made = machine()
    vectors, weights = (np.asarray(value) for value in made.candidates())
    content = factorization.content(WORLD.features)
    assert content[:, [2, 3]].sum(axis=1).tolist() == [0, 0] + [1] * 30
    np.testing.assert_allclose(vectors - made.item.numpy(), content @ made.told.numpy(), rtol=1e-5)
    np.testing.assert_allclose(weights - made.item_weight.numpy(), content @ made.told_weight.numpy(), rtol=1e-4)


def test_dropout_is_of_training_alone() -> None:
    made = machine(dropout=0.5)
    batch = {"history": np.array([[3, 9, 4, 8, 7, 6]], np.int32), "target": np.array([2], np.int32)}
    assert len({float(made.compute_loss(batch)) for _ in range(5)}) == 1
    assert len({float(made.compute_loss(batch, training=True)) for _ in range(5)}) > 1


def test_the_seed_decides() -> None:
    one, same, other = (
        factorization.fit(fold(), **SETTINGS | {"seed": seed}).vectors.values.tobytes() for seed in (3, 3, 4)
    )
    assert one == same != other


def test_less_than_a_batch_is_refused() -> None:
    with pytest.raises(TooFewExamplesError):
        factorization.fit(fold(), **SETTINGS | {"batch_size": 100_000})
