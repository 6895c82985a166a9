"""Items' dense features reach both kinds of model, and leave no trace where there are none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import tf_keras as keras

from dataset.batches import CandidateFeatures
from dataset.features import ItemFeatures
from models import architecture, export, stored
from models.architecture import Architecture, SequenceArchitecture
from models.fit import fit
from tests.models import test_sequential, worlds
from tests.models.small import SHAPE

WIDTH = 4
SHAPES: dict[str, Architecture | SequenceArchitecture] = {"two-tower": SHAPE, "sequence": test_sequential.SHAPE}


def shaped(kind: str, dense: int) -> Architecture | SequenceArchitecture:
    toy = worlds.cycle(num_users=4).features
    return msgspec.structs.replace(
        SHAPES[kind],
        num_items=worlds.NUM_ITEMS,
        num_categories=4,
        categories_per_item=toy.categories.shape[1],
        dense=dense,
    )


def features(seed: int) -> ItemFeatures:
    toy = worlds.cycle(num_users=4).features
    return replace(toy, dense=np.random.default_rng(seed).normal(size=(worlds.NUM_ITEMS, WIDTH)).astype(np.float32))


def catalogue(seed: int) -> CandidateFeatures:
    return CandidateFeatures.catalogue(features(seed), worlds.START)


@pytest.mark.parametrize("kind", SHAPES)
def test_without_dense_features_file_and_weights_know_nothing_of_them(kind: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model = stored.build(shaped(kind, 0))
    stored.write(model, tmp_path)
    assert "dense" not in msgspec.json.decode((tmp_path / "architecture.json").read_bytes())
    assert architecture.read(tmp_path / "architecture.json") == shaped(kind, 0)
    assert "dense" not in model.candidate.input_names
    # Items that have some are read without them.
    assert np.array_equal(model.item_vectors(catalogue(1)), model.item_vectors(catalogue(2)))


@pytest.mark.parametrize("kind", SHAPES)
def test_item_vectors_follow_the_dense_features(kind: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model = stored.build(shaped(kind, WIDTH))
    one, other = model.item_vectors(catalogue(1)), model.item_vectors(catalogue(2))
    assert np.abs(one - other).max() > 1e-3
    stored.write(model, tmp_path)
    assert np.array_equal(stored.read(tmp_path).item_vectors(catalogue(1)), one)
    assert export.tower(model, catalogue(1)).vectors.values.tobytes() == one.tobytes()


def test_a_sequence_model_without_content_has_no_use_for_them() -> None:
    shape = msgspec.structs.replace(shaped("sequence", WIDTH), content=False)
    model = stored.build(shape)
    assert not [layer.name for layer in model.candidate.layers if layer.name.startswith("content")]


@pytest.mark.parametrize("kind", SHAPES)
def test_an_item_that_nobody_has_taken_is_found_by_its_dense_features(kind: str) -> None:
    """Users of colour c take items of colour c; what tells an item's colour is its dense feature alone."""
    world = worlds.checkerboard()
    colour = np.zeros((worlds.NUM_ITEMS, 1), np.float32)
    colour[2:, 0] = np.where(np.arange(worlds.ITEMS) % 2, 1.0, -1.0)
    blind = np.zeros_like(world.features.categories)
    told = replace(world.features, dense=colour, categories=blind)
    # The last two items are taken by nobody in training.
    learn = world.train[world.train.target < worlds.NUM_ITEMS - 2]
    changes: dict[str, Any] = {"dropout": 0.0, "history_length": 15, "popularity_windows": 2}
    if kind == "sequence":
        changes = {"dropout": 0.0, "id_dropout": 0.5, "history_length": 15, "stride": 15, "trends": 0}
    shape = msgspec.structs.replace(shaped(kind, 1), **changes)
    keras.utils.set_random_seed(3)
    model = stored.build(shape)
    data = model.data(learn, told, batch_size=64 if kind == "two-tower" else 8, seed=1)
    fit(model, data, optimizer=keras.optimizers.Adam(0.01), epochs=15, patience=15, validate=None, label=kind)

    def right(known: ItemFeatures) -> float:
        scores = model.frozen(CandidateFeatures.catalogue(known, world.freeze)).scores(world.test)
        even, odd = scores[:, worlds.NUM_ITEMS - 2], scores[:, worlds.NUM_ITEMS - 1]
        return float(np.where(np.arange(world.num_users) % 2, odd > even, even > odd).mean())

    assert right(told) > 0.9
    # Told the other colour, they are recommended to the others.
    assert right(replace(told, dense=-colour)) < 0.1
