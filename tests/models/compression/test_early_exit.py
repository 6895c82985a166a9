"""The first blocks of a model: which weights stay, and who has none to leave out."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import tf_keras as keras

from models import retrieval, stored
from models.compression.early_exit import NoBlocksError, first, shallow
from models.compression.retraining import Retraining
from models.sequential import Sequential
from tests.models import small
from tests.models import test_sequential as sequence

INPUTS = ("history", "age", "at", "context")


def _silence(model: Sequential, block: int) -> None:
    """A block that adds nothing to the state."""
    for layer in model.query.layers:
        if layer.name in (f"attention_out_{block}", f"forward_out_{block}"):
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])


def test_without_a_block_that_adds_nothing_all_is_the_same() -> None:
    whole = sequence.model(blocks=3)
    for block in (1, 2):
        _silence(whole, block)
    cut, batch = first(whole, "shallow", 1), sequence.batch(whole, sequence.asked())
    given = {name: batch[name] for name in INPUTS}
    np.testing.assert_allclose(cut.query(given), whole.query(given), atol=1e-6)
    assert cut.architecture == msgspec.structs.replace(sequence.SHAPE, blocks=1)
    assert cut.query.count_params() < whole.query.count_params()
    assert not any(layer.name.endswith(("_1", "_2")) and "attention" in layer.name for layer in cut.query.layers)


def test_a_block_that_adds_something_is_missed() -> None:
    whole = sequence.model()
    batch = sequence.batch(whole, sequence.asked())
    given = {name: batch[name] for name in INPUTS}
    assert np.abs(first(whole, "shallow", 1).query(given) - whole.query(given)).max() > 1e-2


@pytest.mark.parametrize("encoder", ["transformer", "gru"])
def test_it_is_trained_on_and_leaves_the_float_model_alone(encoder: str, tmp_path: Path) -> None:
    stored.write(sequence.model(encoder=encoder), tmp_path)
    retraining = Retraining(
        folder=tmp_path,
        data=lambda model: model.data(sequence.asked(), sequence.features(), batch_size=3, seed=1),
        optimizer=lambda: keras.optimizers.Adam(0.01),
        afresh=lambda: keras.optimizers.Adam(0.0),
        epochs=2,
        seed=5,
    )
    before, made = stored.weights(retraining.start()), shallow(retraining, "shallow", 1)
    after = stored.weights(made)
    assert set(after) < set(before)
    assert not np.array_equal(after["query_tower/item_embedding/0"], before["query_tower/item_embedding/0"])
    assert retraining.tally.epochs == 2
    for name, value in stored.weights(retraining.start()).items():
        np.testing.assert_array_equal(value, before[name])


def test_who_has_no_block_to_leave_out_is_refused() -> None:
    with pytest.raises(NoBlocksError, match=r"'shallow': needs a sequence model of more than compress.blocks = 2"):
        first(sequence.model(), "shallow", 2)
    with pytest.raises(NoBlocksError, match="Received: one of 0"):
        first(retrieval.build(small.SHAPE), "shallow", 1)
