"""A search space in Optuna's terms and back: types are kept, lists are choices, a grid has an end."""

from typing import Any

import optuna
import pytest

import params
from tuning.space import Space, SpaceError

TOWER = params.TwoTower(
    embedding_dim=64,
    hidden_units=[128],
    half_lives=[1.0, 4.0],
    dropout=0.5,
    temperature=0.1,
    batch_size=512,
    learning_rate=0.001,
    beta_2=0.999,
    average=0.0,
)
EASE = params.Ease(l2=500.0, half_life=5.0, longest=200, trend=0.01, trend_days=30)


def between(low: float, high: float, *, log: bool = False, step: float = 0.0) -> params.Range:
    return params.Range(low=low, high=high, log=log, step=step)


def drawn(space: Space, count: int = 40) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    return [space.drawn(study.ask()) for _ in range(count)]


def test_a_whole_number_stays_one_and_a_list_is_a_choice() -> None:
    domains: dict[str, params.Domain] = {
        "embedding_dim": between(16, 64, step=16),
        "hidden_units": params.Choices([[64], [128, 32]]),
        "learning_rate": between(0.0001, 0.01, log=True),
    }
    space = Space(TOWER, domains)
    found = [one for one in map(space.settings, drawn(space)) if isinstance(one, params.TwoTower)]
    assert len(found) == 40
    assert {one.embedding_dim for one in found} == {16, 32, 48, 64}
    assert all(type(one.embedding_dim) is int and type(one.learning_rate) is float for one in found)
    assert {tuple(one.hidden_units) for one in found} == {(64,), (128, 32)}
    below = sum(one.learning_rate < 0.001 for one in found)
    assert 10 <= below <= 30, "half of a logarithmic range lies below its geometric mean"
    assert {(one.dropout, one.batch_size) for one in found} == {(0.5, 512)}


def test_steps_lead_to_the_numbers_that_people_write() -> None:
    space = Space(TOWER, {"dropout": between(0.1, 0.3, step=0.05)})
    assert {space.values(one)["dropout"] for one in drawn(space)} == {0.1, 0.15, 0.2, 0.25, 0.3}


@pytest.mark.parametrize(
    ("domains", "present"),
    [
        ({"l2": between(10, 1000, log=True), "trend_days": between(1, 60)}, {"l2": 500.0, "trend_days": 30}),
        ({"l2": between(10, 500)}, {"l2": 500.0}),
        ({"l2": between(10, 499)}, None),
        ({"l2": between(100, 700, step=200)}, {"l2": 500.0}),
        ({"l2": between(200, 600, step=200)}, None),
        ({"longest": params.Choices([100, 200])}, {"longest": 200}),
        ({"longest": params.Choices([100, 300])}, None),
    ],
)
def test_the_present_settings_are_known_when_the_space_holds_them(
    domains: dict[str, params.Domain], present: dict[str, Any] | None
) -> None:
    assert Space(EASE, domains).present() == present


def test_the_present_list_is_one_of_the_choices() -> None:
    space = Space(TOWER, {"hidden_units": params.Choices([[64], [128]])})
    present = space.present()
    assert present is not None
    assert space.values(present) == {"hidden_units": [128]}


def test_what_is_not_searched_is_fixed() -> None:
    space = Space(EASE, {"l2": between(1, 2), "trend": between(0, 1)})
    assert space.fixed() == {"family": "ease", "half_life": 5.0, "longest": 200, "trend_days": 30}


def test_a_grid_has_all_values_in_their_types() -> None:
    domains: dict[str, params.Domain] = {
        "embedding_dim": between(16, 48, step=16),
        "batch_size": between(1, 3),
        "dropout": between(0.1, 0.3, step=0.1),
        "hidden_units": params.Choices([[64], [128]]),
    }
    grid = Space(TOWER, domains).grid()
    assert grid == {
        "embedding_dim": [16, 32, 48],
        "batch_size": [1, 2, 3],
        "dropout": [0.1, 0.2, 0.3],
        "hidden_units": ["[64]", "[128]"],
    }
    assert {type(value) for value in grid["embedding_dim"]} == {int}


@pytest.mark.parametrize("domain", [between(0.1, 0.9), between(0.001, 0.1, log=True)])
def test_a_grid_without_an_end_is_refused(domain: params.Range) -> None:
    with pytest.raises(SpaceError, match=r"needs choices or a range with a step .* Received: dropout with low 0\.\d+"):
        Space(TOWER, {"dropout": domain}).grid()
