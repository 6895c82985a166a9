"""Each way to keep a model: what it says, what it takes, and that it is the same bytes every time."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

from dataset.query import Floats
from models import retrieval, stored
from models.compression import litert
from models.compression.storage import STORAGES, Known
from models.retrieval import Retrieval
from scoring import folder
from scoring.network import Network
from scoring.quantize import quantize_rows
from scoring.tied import Tied
from scoring.tower import Tower
from tests.models import small

EXPORT = """
import sys
from pathlib import Path
import digest
from models import device, export, stored
from models.compression.storage import STORAGES
from scoring import folder
from tests.models import small
from tests.models.compression.test_storage import KNOWN
device.prepare(seed=1, threads=2)
model = stored.read(Path(sys.argv[1]))
for name, storage in STORAGES.items():
    form = storage.form(model, KNOWN)
    folder.write(Path(sys.argv[2]) / name, form, model="x", name=name, items=small.SHAPE.num_items, freeze=1)
print(digest.of_folder(Path(sys.argv[2])), export.savedmodel_bytes(model, small.features(), k=5))
"""
KNOWN = Known(small.features(), np.arange(small.SHAPE.num_items), small.queries())


@pytest.fixture(scope="module")
def model() -> Retrieval:
    return retrieval.build(small.SHAPE)


def scores(model: Retrieval) -> Floats:
    asked = small.queries()
    found: Floats = model.query_vectors(asked) @ model.item_vectors(small.features()).T
    return found


def test_float32_says_what_keras_says(model: Retrieval) -> None:
    asked, tower = small.queries(), STORAGES["float32"].form(model, KNOWN)
    assert isinstance(tower, Tower)
    np.testing.assert_allclose(tower.query_vectors(asked), model.query_vectors(asked), atol=1e-5)
    np.testing.assert_allclose(tower.scores(asked), scores(model), atol=1e-5)


@pytest.mark.parametrize("name", STORAGES)
def test_every_storage_is_read_back_and_says_nearly_the_same(name: str, model: Retrieval, tmp_path: Path) -> None:
    form = STORAGES[name].form(model, KNOWN)
    folder.write(tmp_path, form, model="m", name=name, items=small.SHAPE.num_items, freeze=1)
    _, again = folder.read(tmp_path)
    # LiteRT's integer division refuses the zero weights of an empty history, which the first query has.
    rows = slice(1, None) if name == "full-int8" else slice(None)
    asked = small.queries()[rows]
    np.testing.assert_array_equal(again.scores(asked), form.scores(asked))
    # Half of the items share rows, and half the directions of so narrow a table are much of it.
    coarse = name in ("tied-hashed", "tied-low-rank", "tied-by-popularity", "tied-4")
    assert np.abs(form.scores(asked) - scores(model)[rows]).max() < (1.0 if coarse else 0.1)


def test_a_tied_form_says_what_its_rounded_weights_say(model: Retrieval) -> None:
    """Nothing but rounding may come between Keras and what is served: rounded by hand, both agree."""
    rounded = retrieval.build(small.SHAPE)
    stored.fill(rounded, stored.weights(model))
    for tower in (rounded.query, rounded.candidate):
        for layer in tower.layers:
            if "kernel" in layer.__dict__:
                layer.kernel.assign(litert.rounded(litert.rounded(layer.kernel.numpy(), 6), 8))
    embedding = rounded.query.get_layer("item_embedding")
    values, scales = quantize_rows(embedding.get_weights()[0], 6)
    embedding.set_weights([values * scales[:, None]])
    form = STORAGES["tied-6"].form(model, KNOWN)
    assert isinstance(form, Tied)
    # What is known of the items is kept in 16 bits.
    np.testing.assert_allclose(form.scores(small.queries()), scores(rounded), atol=3e-3)
    assert np.abs(scores(rounded) - scores(model)).max() > 3e-3


def test_a_network_whose_weights_lie_behind_the_flatbuffer_is_read_all_the_same() -> None:
    """The quantizer does so from some hundred kilobytes on."""
    given = keras.Input((512,), name="x")
    network = keras.Model({"x": given}, keras.layers.Dense(1024, use_bias=False)(given))
    kernel = litert.rounded(network.layers[-1].kernel.numpy(), 8)
    found = Network(litert.weights_only(network, 8), "large").run({"x": np.eye(512, dtype=np.float32)})
    np.testing.assert_allclose(found, kernel, atol=1e-6)


def test_keeping_a_model_leaves_it_as_it_is(model: Retrieval) -> None:
    before = stored.weights(model)
    for storage in STORAGES.values():
        storage.form(model, KNOWN)
    for name, value in stored.weights(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_whole_numbers_differ_by_at_most_half_a_scale() -> None:
    vectors = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    for bits, largest in ((8, 127), (6, 31), (4, 7)):
        table, scales = quantize_rows(vectors, bits)
        assert table.dtype == np.int8
        assert (np.abs(table * scales[:, None] - vectors) <= scales[:, None] / 2 + 1e-7).all()
        assert (np.abs(table).max(axis=1) == largest).all()


def test_rows_of_zeros_stay_zeros() -> None:
    table, scales = quantize_rows(np.zeros((2, 3), np.float32))
    assert not table.any()
    assert scales.tolist() == [1.0, 1.0]


def test_a_kernel_is_rounded_in_each_output_channel() -> None:
    kernel = np.array([[1.0, 0.0, 30.0], [-0.4, 0.0, 11.0]], np.float32)
    found = litert.rounded(kernel, 3)
    np.testing.assert_allclose(found, np.array([[1, 0, 30], [-1 / 3, 0, 10]]), rtol=1e-6)


def test_an_export_is_the_same_bytes_in_every_process(model: Retrieval, tmp_path: Path) -> None:
    stored.write(model, tmp_path / "model")
    said = [small.python(EXPORT, str(tmp_path / "model"), str(tmp_path / name)) for name in ("one", "two")]
    assert said[0] == said[1]
    assert int(said[0].split()[1]) > 10_000
