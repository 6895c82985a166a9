from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from models import architecture, retrieval, stored
from models.architecture import Architecture
from models.fit import batches, fit
from models.retrieval import Frozen, Retrieval
from models.stored import WeightsError
from tests.models import small
from tests.models.small import SHAPE


@pytest.fixture
def model() -> Retrieval:
    keras.utils.set_random_seed(3)
    return retrieval.build(SHAPE)


@pytest.fixture
def folder(model: Retrieval, tmp_path: Path) -> Path:
    stored.write(model, tmp_path / "model")
    return tmp_path / "model"


def tensors(rows: int) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values) for name, values in small.arrays(rows).items()}


def change(folder: Path, **arrays: np.ndarray | None) -> None:
    """Replaces arrays of weights.npz; None removes one."""
    with np.load(folder / "weights.npz") as before:
        left: dict[str, np.ndarray | None] = {**before, **arrays}
    np.savez(folder / "weights.npz", **{name: value for name, value in left.items() if value is not None})  # type: ignore[arg-type]  # numpy's stub takes every keyword for `allow_pickle`


def test_what_was_written_scores_the_same_when_read(model: Retrieval, folder: Path) -> None:
    asked, items = small.queries(), small.features()
    scores = Frozen(model, items).scores(asked)
    assert scores.shape == (len(asked), SHAPE.num_items)
    np.testing.assert_array_equal(Frozen(stored.read(folder), items).scores(asked), scores)
    other = retrieval.build(SHAPE)
    assert not np.allclose(Frozen(other, items).scores(asked), scores)


def test_writing_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    stored.write(stored.read(folder), tmp_path / "again")
    for name in ("architecture.json", "weights.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_read_models_share_nothing(folder: Path) -> None:
    first, second = stored.read(folder), stored.read(folder)
    before = stored.weights(second)
    data = batches(small.arrays(32), batch_size=16, seed=1)
    fit(first, data, optimizer=keras.optimizers.Adam(0.1), epochs=1, patience=1, validate=None, label="first")
    for name, value in stored.weights(first).items():
        assert not np.array_equal(value, before[name]), name
    for name, value in stored.weights(second).items():
        np.testing.assert_array_equal(value, before[name])


def test_the_embedding_is_shared_and_stored_once(model: Retrieval, folder: Path) -> None:
    for found in (model, stored.read(folder)):
        assert found.query.get_layer("item_embedding") is found.candidate.get_layer("item_embedding")
    with np.load(folder / "weights.npz") as arrays:
        tables = [name for name in arrays.files if arrays[name].shape == (SHAPE.num_items, SHAPE.embedding_dim)]
        values = sum(arrays[name].size for name in arrays.files)
    assert tables == ["query_tower/item_embedding/0"]
    assert values == sum(int(tf.size(weight)) for weight in model.trainable_variables)


def test_the_loss_is_the_corrected_softmax(model: Retrieval) -> None:
    """Against the formula in numpy: cosines by temperature, less log probability, same items not as negatives."""
    batch = small.arrays(40)
    query = model.query({name: batch[name] for name in ("history", "context")}, training=False).numpy()
    candidate = model.candidate(
        {name: batch[name] for name in ("item", "categories", "year", "popularity")}, training=False
    ).numpy()
    logits = query @ candidate.T / SHAPE.temperature - np.log(batch["probability"])
    same = batch["item"][:, None] == batch["item"]
    assert same.sum() > len(same)
    logits[same & ~np.eye(len(same), dtype=bool)] = -np.inf
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits))
    loss = float(model.compute_loss({name: tf.constant(values) for name, values in batch.items()}))
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_rare_and_of_equal_candidates_is_finite(model: Retrieval) -> None:
    rare = tensors(16) | {"probability": tf.fill([16], 1e-9)}
    assert np.isfinite(float(model.compute_loss(rare, training=True)))
    equal = {name: tf.repeat(values, 8, axis=0) for name, values in tensors(1).items()}
    assert float(model.compute_loss(equal)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_refused(model: Retrieval, bad: float) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="the training loss"):
        model.compute_loss(tensors(16) | {"context": tf.fill([16, 4], bad)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("query_tower/query_shortcut/0", None),
        ("query_tower/surprise/0", np.zeros(3, np.float32)),
        ("query_tower/query_projection/1", np.zeros(SHAPE.embedding_dim + 1, np.float32)),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_wrong_weights_are_refused(folder: Path, name: str, value: np.ndarray | None) -> None:
    change(folder, **{name: value})
    with pytest.raises(WeightsError, match=rf"weights\.npz: weights must fit the architecture\. Differs in: .*{name}"):
        stored.read(folder)


def test_weights_of_another_architecture_are_refused(folder: Path) -> None:
    shape = {name: getattr(SHAPE, name) for name in SHAPE.__struct_fields__} | {"num_items": SHAPE.num_items + 1}
    architecture.write(Architecture(**shape), folder / "architecture.json")
    with pytest.raises(WeightsError, match="item_embedding"):
        stored.read(folder)
