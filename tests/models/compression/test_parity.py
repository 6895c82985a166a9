"""Parity: what counts as the same list, and that a conversion that lost something stops by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import retrieval, stored
from models.compression import contestants, parity
from models.compression.parity import ParityError, same_best
from models.compression.storage import STORAGES, Known, Storage, float32
from models.stored import Retriever
from scoring.forms import Form
from scoring.tables import Table
from scoring.tower import Tower
from tests.models import small
from tests.models.compression.test_trainings import AMOUNTS, retraining

KNOWN = Known(small.features(), np.arange(small.SHAPE.num_items), small.queries(40))


def test_the_order_within_the_ten_best_does_not_count_and_what_is_outside_does() -> None:
    scores = np.arange(24.0, dtype=np.float32).reshape(2, 12)
    shuffled = scores.copy()
    shuffled[0, [11, 5]] = scores[0, [5, 11]]  # both among the ten best
    shuffled[1, [11, 0]] = scores[1, [0, 11]]
    assert same_best(shuffled, scores).tolist() == [True, False]


def test_items_that_are_no_further_apart_than_a_tie_may_stand_for_each_other() -> None:
    scores = np.tile(np.arange(12, dtype=np.float32), (2, 1))
    near = scores.copy()
    near[:, 1] = 2 - parity.TIE * np.array([9, 13])  # of a range of 11; the tenth best has 2
    assert same_best(scores + np.eye(12, dtype=np.float32)[1] * 5, near).tolist() == [True, False]


def test_fewer_items_than_ten_are_the_same_set() -> None:
    assert same_best(np.eye(3, dtype=np.float32), -np.eye(3, dtype=np.float32)).all()


@pytest.mark.parametrize("name", ["float32", "float16", "int8", "tied-6"])
def test_what_is_converted_well_passes(name: str) -> None:
    model = retrieval.build(small.SHAPE)
    parity.check(name, STORAGES[name].form(model, KNOWN), STORAGES[name], model, KNOWN)


def _shifted(model: Retriever, known: Known) -> Form:
    """Each item has its neighbour's vector."""
    tower = float32(model, known)
    assert isinstance(tower, Tower)
    return replace(tower, vectors=Table(np.roll(tower.vectors.values, 1, axis=0)))


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_a_corrupted_conversion_stops_the_tournament_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.write(retrieval.build(small.SHAPE), tmp_path)
    broken: Storage = replace(STORAGES[name], form=_shifted)
    monkeypatch.setitem(STORAGES, name, broken)
    with pytest.raises(ParityError, match=rf"variant '{name}': at least .*% of 40 queries must have the 10 best"):
        list(contestants.contestants(retraining(tmp_path), KNOWN, {"untrained": [name]}.items(), AMOUNTS))


def test_what_claims_no_parity_is_left_to_the_margin() -> None:
    model = retrieval.build(small.SHAPE)
    parity.check("full-int8", _shifted(model, KNOWN), STORAGES["full-int8"], model, KNOWN)
    assert [name for name, storage in STORAGES.items() if storage.parity is None] == ["full-int8"]
