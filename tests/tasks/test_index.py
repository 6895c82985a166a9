"""The stage `index` on a small shop: built and measured where the catalogue is large, refused where it finds little."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import durable
import params
from dataset.world import World
from evaluation.protocol import rank
from models.variants import PARENT, Variants
from params import Params
from scoring import folder as form_folder
from scoring import index_folder
from scoring.forms import FormError
from scoring.index_folder import RECORD
from scoring.nearest import FILES, LISTS
from scoring.popular import Popular
from scoring.tables import Table
from scoring.tower import Tower
from serving import servable
from serving.runtime import Runtime
from serving.servable import ServableError
from tasks.assemble import assemble
from tasks.examined import StaleError
from tasks.index import RecallError
from tasks.steps import ModelError, run
from tests.shop import shop
from tests.tasks.test_data_stages import stages
from tests.variants import variant

PROGRAM = """
import sys
import numpy as np
import tensorflow as tf

table = tf.constant(np.load(sys.argv[2]))

@tf.function(input_signature=[tf.TensorSpec([None, 5], tf.int32, "history")])
def tower(history):
    return tf.reduce_mean(tf.gather(table, history), axis=1)

converter = tf.lite.TFLiteConverter.from_concrete_functions([tower.get_concrete_function()])
open(sys.argv[1], "wb").write(converter.convert())
"""
"""A query is the mean of its last five items' vectors."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """Features of a shop, and two models' variants: `two-tower` has item vectors, `popularity` has none."""
    folder = tmp_path_factory.mktemp("done")
    chosen = stages(folder, shop(seed=5, customers=100, products=300, orders=4000), ".csv")
    world = World.read(chosen.paths.features)
    items = len(world.items)
    vectors = np.random.default_rng(7).normal(size=(items, 8)).astype(np.float32)
    np.save(folder / "vectors.npy", vectors)
    path = folder / "tower.tflite"
    program = [sys.executable, "-c", PROGRAM, str(path), str(folder / "vectors.npy")]
    subprocess.run(program, check=True, capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    tower = Tower(np.frombuffer(path.read_bytes(), np.uint8), Table(vectors), 5)
    popular = Popular(np.arange(items, dtype=np.float32))
    for name, form in (("two-tower", tower), ("popularity", popular)):
        variants = chosen.paths.variants / name
        form_folder.write(
            variants / "final" / PARENT, form, model=name, name=PARENT, items=items, freeze=world.final.freeze
        )
        durable.write_json(variants / "variants.json", Variants(name, PARENT, 1, [variant(PARENT)]))
    return chosen


def changed(done: Params, folder: Path, **changes: Any) -> Params:
    """The same with an index elsewhere, made with other settings."""
    paths = msgspec.structs.replace(done.paths, index=folder)
    return msgspec.structs.replace(done, paths=paths, index=msgspec.structs.replace(done.index, **changes))


def test_a_small_catalogue_stays_exact_and_says_so(done: Params, tmp_path: Path) -> None:
    run("index", changed(done, tmp_path), "two-tower")
    assert [path.name for path in (tmp_path / "two-tower").iterdir()] == [RECORD]
    record, nearest = index_folder.read(tmp_path / "two-tower")
    assert nearest is None
    assert (record.exact, record.dimensions, record.variant) == (True, 8, PARENT)
    assert record.why == "300 items, at most index.exact_up_to = 20000"


def test_a_form_without_item_vectors_stays_exact_and_says_so(done: Params, tmp_path: Path) -> None:
    run("index", changed(done, tmp_path, exact_up_to=10), "popularity")
    record, nearest = index_folder.read(tmp_path / "popularity")
    assert nearest is None
    assert record.why == "the form is popular, which has no item vectors"


def test_a_large_catalogue_gets_an_index_that_is_measured_and_answers_as_the_form(done: Params, tmp_path: Path) -> None:
    said = run("index", changed(done, tmp_path, exact_up_to=10, probes=40), "two-tower")
    record, nearest = index_folder.read(tmp_path / "two-tower")
    assert record == said
    assert nearest is not None
    assert not record.exact
    assert record.recall_at_10 is not None
    assert 0.98 <= record.recall_at_10 <= 1.0
    assert record.bytes == sum((tmp_path / "two-tower" / name).stat().st_size for name in FILES)
    assert record.settings == nearest.settings
    assert nearest.settings.probes == 40
    world = World.read(done.paths.features)
    form = form_folder.read(done.paths.variants / "two-tower/final" / PARENT)[1]
    assert isinstance(form, Tower)
    asked = world.test[:50]
    np.testing.assert_array_equal(form.query_vectors(asked) @ form.item_vectors.T, form.scores(asked))
    lists = rank(
        form, asked, world.final.catalogue, k=10, chunk_size=50
    ).lists  # what was seen is left out here as well
    found, _ = nearest.search(form.query_vectors(asked), 10, world.final.catalogue, asked.seen())
    assert (found[:, :, None] == lists[:, None, :]).any(axis=1).mean() > 0.97


def test_what_is_served_with_an_index_lists_the_same(done: Params, tmp_path: Path) -> None:
    run("index", changed(done, tmp_path / "index", exact_up_to=10, probes=10_000), "two-tower")
    world, model = World.read(done.paths.features), done.paths.variants / "two-tower/final" / PARENT
    for name, index in (("exact", None), ("searched", tmp_path / "index/two-tower")):
        (tmp_path / name).mkdir()
        assemble(tmp_path / name, world, model, recent_popularity_days=30, index=index)
    exact, searched = (servable.read(tmp_path / name) for name in ("exact", "searched"))
    assert (exact.nearest, searched.nearest is None) == (None, False)
    asked, rng = world.test[world.test.end > 0][:40], np.random.default_rng(3)
    masks = [None if row % 3 else rng.random(len(world.items)) < 0.2 for row in range(len(asked))]
    ours, theirs = (Runtime(whole).recommend(asked, 10, masks) for whole in (searched, exact))
    assert not ours.broken.any()
    assert "_columns" not in vars(searched.form), "the index spares a worker the memory of all items' vectors"
    assert "_columns" in vars(exact.form)
    assert ((ours.items >= 0) == (theirs.items >= 0)).all()
    # In 16 bits two scores may change places.
    assert (ours.items == theirs.items).mean() > 0.97
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=0.02)


def test_an_index_beside_another_form_is_refused(done: Params, tmp_path: Path) -> None:
    run("index", changed(done, tmp_path / "index", exact_up_to=10, probes=40), "two-tower")
    world, other = World.read(done.paths.features), done.paths.variants / "popularity/final" / PARENT
    (tmp_path / "other").mkdir()
    assemble(tmp_path / "other", world, other, recent_popularity_days=30)
    for path in (tmp_path / "index/two-tower").iterdir():
        shutil.copy(path, tmp_path / "other")
    with pytest.raises(ServableError, match=r"index\.json: must be of the form beside it"):
        servable.read(tmp_path / "other")


def test_an_index_of_another_variant_is_not_assembled(done: Params, tmp_path: Path) -> None:
    """Of the same name and shape: trained anew, and not indexed anew."""
    run("index", changed(done, tmp_path / "index", exact_up_to=10, probes=40), "two-tower")
    world, other = World.read(done.paths.features), tmp_path / PARENT
    shutil.copytree(done.paths.variants / "two-tower/final" / PARENT, other)
    form = form_folder.read(other)[1]
    assert isinstance(form, Tower)
    moved = Table(form.vectors.wide() + np.float32(0.1))
    form_folder.write(
        other, replace(form, vectors=moved), model="two-tower", name=PARENT, items=len(world.items), freeze=1
    )
    (tmp_path / "whole").mkdir()
    with pytest.raises(StaleError, match=r"index\.json: must be of .*float32 as it is now\. It is of another"):
        assemble(tmp_path / "whole", world, other, recent_popularity_days=30, index=tmp_path / "index/two-tower")


def test_an_index_that_finds_too_little_is_refused_and_not_written(done: Params, tmp_path: Path) -> None:
    with pytest.raises(RecallError) as caught:
        run("index", changed(done, tmp_path, exact_up_to=10, probes=1), "two-tower")
    for part in ("model 'two-tower'", "index.min_recall = 0.98", "raise index.probes (now 1)", "Received: 0."):
        assert part in str(caught.value)
    assert not (tmp_path / "two-tower").exists()


def test_the_same_seed_gives_the_same_bytes(done: Params, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run("index", changed(done, tmp_path / name, exact_up_to=10, probes=40), "two-tower")
    assert all(
        (tmp_path / "one/two-tower" / name).read_bytes() == (tmp_path / "two/two-tower" / name).read_bytes()
        for name in (*FILES, RECORD)
    )


def test_it_runs_for_one_model_at_a_time(done: Params) -> None:
    with pytest.raises(ModelError, match="index runs for one model"):
        run("index", done)


@pytest.mark.parametrize("name", [RECORD, LISTS])
def test_a_folder_that_lacks_a_file_is_refused(done: Params, tmp_path: Path, name: str) -> None:
    run("index", changed(done, tmp_path, exact_up_to=10, probes=40), "two-tower")
    (tmp_path / "two-tower" / name).unlink()
    with pytest.raises(FormError, match=name):
        index_folder.read(tmp_path / "two-tower")


def test_an_index_of_other_items_is_refused(done: Params, tmp_path: Path) -> None:
    run("index", changed(done, tmp_path, exact_up_to=10, probes=40), "two-tower")
    path = tmp_path / "two-tower" / RECORD
    record = msgspec.json.decode(path.read_bytes(), type=index_folder.Record)
    durable.write_json(path, msgspec.structs.replace(record, items=record.items + 1))
    with pytest.raises(FormError, match=r"must have 303 items\. Received: 302"):
        index_folder.read(tmp_path / "two-tower")


def test_a_recall_that_cannot_be_asked_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(Path("params.yaml").read_text().replace("min_recall: 0.98", "min_recall: 98"))
    with pytest.raises(params.ParamsError, match=r"index.min_recall"):
        params.load(path)
