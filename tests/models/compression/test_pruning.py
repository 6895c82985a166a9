from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

import digest
from models import retrieval, stored
from models.compression import pruning
from models.compression.pruning import Pattern
from models.fit import batches, fit
from models.retrieval import Retrieval
from tests.models import small
from tests.models.small import SHAPE

WANTED = 0.6
EPOCHS = 3
BATCH = 16
ROWS = 64
STEPS = EPOCHS * ROWS // BATCH
UNTRAINED = 128 / (320 + 128 + 128)
"""The shortcut starts as zeros, 2 * 8 by 8 of (2 * 8 + 4) * 16 + 16 * 8 + 16 * 8 weights."""


def train(model: Retrieval) -> None:
    fit(
        model,
        batches(small.arrays(ROWS), batch_size=BATCH, seed=1),
        optimizer=keras.optimizers.Adam(0.01),
        epochs=EPOCHS,
        patience=EPOCHS,
        validate=None,
        callbacks=pruning.callbacks(),
        label="pruned",
    )


@dataclass(frozen=True)
class Pruned:
    folder: Path
    """The float model's files."""
    files: str
    """Their digest before anything was pruned."""
    parent: Retrieval
    """Read before, used by nobody."""
    wrapped: Retrieval
    stripped: Retrieval


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Pruned:
    folder = tmp_path_factory.mktemp("pruning") / "model"
    keras.utils.set_random_seed(3)
    stored.write(retrieval.build(SHAPE), folder)
    files = digest.of_folder(folder)
    parent = stored.read(folder)
    wrapped = pruning.wrap(stored.read(folder), Pattern.POLYNOMIAL, sparsity=WANTED, steps=STEPS)
    train(wrapped)
    return Pruned(folder, files, parent, wrapped, pruning.strip(wrapped))


def test_the_wanted_share_is_zero_in_each_dense_layer(pruned: Pruned) -> None:
    assert pruning.sparsity(pruned.stripped) == pytest.approx(WANTED, abs=0.01)
    kernels = {
        layer.name: layer.get_weights()[0]
        for layer in pruned.stripped.query.layers
        if isinstance(layer, keras.layers.Dense)
    }
    assert set(kernels) == {"query_hidden_0", "query_projection", "query_shortcut"}
    for kernel in kernels.values():
        assert np.mean(kernel == 0) == pytest.approx(WANTED, abs=0.01)


def test_sparsity_is_counted_over_all_kernels(pruned: Pruned) -> None:
    assert pruning.sparsity(stored.read(pruned.folder)) == UNTRAINED
    assert pruning.sparsity(retrieval.build(SHAPE)) == UNTRAINED


def test_only_dense_kernels_are_pruned(pruned: Pruned) -> None:
    for tower, name in (("query", "item_embedding"), ("query", "recency_pooling"), ("candidate", "content_hidden")):
        values = getattr(pruned.stripped, tower).get_layer(name).get_weights()[0]
        assert np.count_nonzero(values) > 0.9 * values.size - 2, name


def test_strip_changes_nothing_that_is_said(pruned: Pruned) -> None:
    asked, items = small.queries(), small.features()
    np.testing.assert_array_equal(pruned.stripped.query_vectors(asked), pruned.wrapped.query_vectors(asked))
    np.testing.assert_array_equal(pruned.stripped.item_vectors(items), pruned.wrapped.item_vectors(items))
    assert not np.allclose(pruned.stripped.query_vectors(asked), pruned.parent.query_vectors(asked))


def test_a_stripped_model_is_written_and_read_as_any_other(pruned: Pruned, tmp_path: Path) -> None:
    stored.write(pruned.stripped, tmp_path / "stripped")
    again = stored.read(tmp_path / "stripped")
    assert pruning.sparsity(again) == pruning.sparsity(pruned.stripped)
    np.testing.assert_array_equal(again.query_vectors(small.queries()), pruned.stripped.query_vectors(small.queries()))


def test_the_float_model_is_untouched(pruned: Pruned) -> None:
    assert digest.of_folder(pruned.folder) == pruned.files
    fresh = stored.weights(stored.read(pruned.folder))
    for name, value in stored.weights(pruned.parent).items():
        np.testing.assert_array_equal(value, fresh[name])


def test_wrapping_shares_the_layers_of_the_model_it_is_given(pruned: Pruned) -> None:
    """Why contestants read the float model anew: training the wrapped model moves the one that was handed in."""
    handed_in = stored.read(pruned.folder)
    before = stored.weights(handed_in)
    train(pruning.wrap(handed_in, Pattern.POLYNOMIAL, sparsity=WANTED, steps=STEPS))
    after = stored.weights(handed_in)
    assert not np.array_equal(after["query_tower/query_projection/0"], before["query_tower/query_projection/0"])
    assert np.mean(after["query_tower/query_projection/0"] == 0) == pytest.approx(WANTED, abs=0.01)


def test_without_training_nothing_is_pruned(pruned: Pruned) -> None:
    """A claim is not a fact: the sparsity is counted, and this is what a schedule that never ran leaves behind."""
    idle = pruning.strip(pruning.wrap(stored.read(pruned.folder), Pattern.POLYNOMIAL, sparsity=WANTED, steps=STEPS))
    assert pruning.sparsity(idle) == UNTRAINED
