"""Alternating least squares: the objective, the fold-in against the normal equations, and the library's own users."""

from itertools import pairwise

import numpy as np
import pytest

from dataset.query import Queries, Timelines
from models.baselines import als
from models.baselines.incidence import incidence
from scoring import folded
from scoring.folded import Folded
from scoring.forms import faded

USERS, ITEMS, L2, ALPHA = 40, 25, 2.0, 7.0
RNG = np.random.default_rng(11)
LENGTHS = RNG.integers(0, 12, USERS)
KNOWN = Timelines(
    np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64),
    RNG.integers(2, ITEMS - 1, LENGTHS.sum()).astype(np.int32),
    np.arange(LENGTHS.sum(), dtype=np.int64),
)
EVERYBODY = Queries(
    KNOWN, np.arange(USERS, dtype=np.int32), LENGTHS.astype(np.int64), np.full(USERS, 9), np.full(USERS, 2, np.int32)
)


def fitted(iterations: int = 5, half_life: float = np.inf, seed: int = 1) -> Folded:
    return als.fit(
        KNOWN,
        ITEMS,
        factors=6,
        l2=L2,
        alpha=ALPHA,
        iterations=iterations,
        half_life=half_life,
        longest=12,
        seed=seed,
    )


def objective(form: Folded) -> float:
    """With the best users for these items, which is what fold-in is to find."""
    items, users = form.factors.wide().astype(float), form.query_vectors(EVERYBODY)
    taken = incidence(KNOWN, ITEMS).toarray()
    error = ((1 + ALPHA * taken) * (taken - users @ items.T) ** 2).sum()
    return float(error + L2 * ((users**2).sum() + (items**2).sum()))


def test_the_objective_falls_from_step_to_step() -> None:
    values = [objective(fitted(iterations)) for iterations in (1, 2, 3, 5, 10)]
    assert all(later < earlier for earlier, later in pairwise(values))
    # The control: vectors of zeros explain nothing.
    assert values[-1] < 0.8 * (1 + ALPHA) * incidence(KNOWN, ITEMS).sum()


@pytest.mark.parametrize("half_life", [np.inf, 1.5])
def test_fold_in_solves_the_normal_equations(half_life: float) -> None:
    form = fitted(half_life=half_life)
    items = form.factors.wide().astype(float)
    weight = faded(EVERYBODY, half_life=half_life, longest=12, items=ITEMS, distinct=True).toarray()
    found = form.query_vectors(EVERYBODY)
    for user, row in enumerate(weight.astype(float)):
        confidence, preference = np.diag(1 + ALPHA * row), (row > 0).astype(float)
        expected = np.linalg.solve(items.T @ confidence @ items + L2 * np.eye(6), items.T @ confidence @ preference)
        np.testing.assert_allclose(found[user], expected, atol=1e-5)
    np.testing.assert_allclose(form.scores(EVERYBODY), found @ items.T, atol=1e-5)
    assert np.abs(found).max() > 0.1


def test_no_other_vector_is_better_for_a_history() -> None:
    form = fitted(half_life=2.0)
    items = form.factors.wide().astype(float)
    weight = faded(EVERYBODY, half_life=2.0, longest=12, items=ITEMS, distinct=True).toarray()

    def loss(users: np.ndarray) -> np.ndarray:
        error = (1 + ALPHA * weight) * ((weight > 0) - users @ items.T) ** 2
        return np.asarray(error.sum(axis=1) + L2 * (users**2).sum(axis=1))

    best = form.query_vectors(EVERYBODY)
    for size in (0.001, 0.1):
        assert (loss(best + size * RNG.normal(size=best.shape)) > loss(best)).all()


def test_users_who_were_learned_from_are_found_again() -> None:
    """The library's last half-step is the items'; one more of the users', by us, comes to where it would go."""
    users, more = fitted(50).query_vectors(EVERYBODY), fitted(51).query_vectors(EVERYBODY)
    np.testing.assert_allclose(users, more, atol=0.01)


def test_what_nobody_has_taken_and_who_has_taken_nothing() -> None:
    form = fitted()
    assert not form.scores(EVERYBODY)[:, [0, 1, ITEMS - 1]].any()
    nobody = LENGTHS == 0
    assert nobody.any()
    assert not form.scores(EVERYBODY)[nobody].any()
    assert form.scores(EVERYBODY)[~nobody].any(axis=1).all()


def test_few_rows_at_a_time_score_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    form = fitted(half_life=3.0)
    whole = form.scores(EVERYBODY)
    monkeypatch.setattr(folded, "CELLS", 300)
    np.testing.assert_allclose(form.scores(EVERYBODY), whole, rtol=1e-6, atol=1e-7)


def test_the_seed_decides() -> None:
    assert fitted(seed=1).factors.values.tobytes() == fitted(seed=1).factors.values.tobytes()
    assert fitted(seed=1).factors.values.tobytes() != fitted(seed=2).factors.values.tobytes()
