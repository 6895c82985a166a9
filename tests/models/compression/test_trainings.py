"""Every way to train on: what it leaves in the weights, what the float model keeps, and who is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

import digest
from models import device, retrieval, stored
from models.compression import clustering, pruning, quantization_aware
from models.compression.contestants import TRAININGS, Amounts, contestants, named
from models.compression.distillation import Student, Teaching
from models.compression.litert import rounded
from models.compression.retraining import Retraining
from models.compression.storage import Known
from models.fit import Data, batches
from models.stored import Retriever
from models.variants import NotCompressedError
from scoring.quantize import quantize_rows
from tests.models import small

AMOUNTS = Amounts(
    sparsity=0.6,
    clusters=5,
    bits=4,
    blocks=1,
    student=Student(width_share=0.5, blocks=1),
    teaching=Teaching(top=4, temperature=2.0, weight=0.5, epochs=2),
)
OF_TWO_TOWERS = {name: train for name, train in TRAININGS.items() if name != "shallow"}
"""A two-tower model has no blocks."""
KNOWN = Known(small.features(), np.arange(small.SHAPE.num_items), small.queries())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trainings") / "model"
    keras.utils.set_random_seed(3)
    start = retrieval.build(small.SHAPE)
    # The shortcut starts as zeros, which no model that was trained has.
    shortcut = start.query.get_layer("query_shortcut")
    shortcut.set_weights([np.random.default_rng(1).normal(size=shortcut.kernel.shape)])
    stored.write(start, place)
    return place


def retraining(folder: Path, epochs: int = 3) -> Retraining:
    return Retraining(
        folder=folder,
        data=lambda _: batches(small.arrays(64), batch_size=16, seed=1),
        optimizer=lambda: keras.optimizers.Adam(0.01),
        afresh=lambda: keras.optimizers.Adam(0.02),
        epochs=epochs,
        seed=5,
    )


@pytest.fixture(scope="module")
def trained(folder: Path) -> dict[str, Retriever]:
    return {name: train(retraining(folder), name, AMOUNTS) for name, train in OF_TWO_TOWERS.items()}


def kernels(model: Retriever) -> dict[str, np.ndarray]:
    """Of the query tower."""
    return {layer.name: layer.get_weights()[0] for layer in model.query.layers if isinstance(layer, keras.layers.Dense)}


@pytest.mark.parametrize("name", OF_TWO_TOWERS)
def test_what_comes_out_is_a_plain_model(
    name: str, trained: dict[str, Retriever], folder: Path, tmp_path: Path
) -> None:
    stored.write(trained[name], tmp_path)
    again = stored.read(tmp_path)
    np.testing.assert_array_equal(again.query_vectors(small.queries()), trained[name].query_vectors(small.queries()))
    after, before = (
        stored.weights(model)["query_tower/item_embedding/0"] for model in (trained[name], stored.read(folder))
    )
    assert np.array_equal(after, before) == (name == "untrained")


def test_nobody_touches_the_float_model(folder: Path) -> None:
    files, parent = digest.of_folder(folder), stored.read(folder)
    before = stored.weights(parent)
    for name, train in OF_TWO_TOWERS.items():
        train(retraining(folder, epochs=2), name, AMOUNTS)
    assert digest.of_folder(folder) == files
    for name, value in stored.weights(parent).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("name", ["pruned", "pruned-constant", "pruned-quantization-aware"])
def test_what_is_pruned_has_its_zeros(name: str, trained: dict[str, Retriever]) -> None:
    assert pruning.sparsity(trained[name]) == pytest.approx(0.6, abs=0.02)
    assert pruning.sparsity(trained["control"]) == 0


@pytest.mark.parametrize("name", ["pruned", "pruned-constant", "pruned-two-of-four", "pruned-quantization-aware"])
def test_what_is_pruned_has_its_zeros_where_weights_are_averaged_over_steps(name: str, folder: Path) -> None:
    averaging = replace(retraining(folder), optimizer=lambda: device.optimizer(0.01, average=0.9))
    wanted = 0.5 if name == "pruned-two-of-four" else 0.6
    assert pruning.sparsity(TRAININGS[name](averaging, name, AMOUNTS)) == pytest.approx(wanted, abs=0.02)


def test_two_of_each_four_are_zeros(trained: dict[str, Retriever]) -> None:
    for kernel in kernels(trained["pruned-two-of-four"]).values():
        fours = kernel.T.reshape(-1, 4)
        assert ((fours == 0).sum(axis=1) >= 2).all()


def test_a_clustered_kernel_has_few_values(trained: dict[str, Retriever]) -> None:
    assert clustering.values(trained["clustered"]) == AMOUNTS.clusters
    assert clustering.values(trained["control"]) > 100


def test_the_towers_go_on_sharing_one_embedding(trained: dict[str, Retriever]) -> None:
    for name, model in trained.items():
        one, other = (tower.get_layer("item_embedding").get_weights()[0] for tower in (model.query, model.candidate))
        np.testing.assert_array_equal(one, other, err_msg=name)


def test_what_learns_with_few_levels_computes_what_will_be_kept(folder: Path) -> None:
    """The wrapped model, whose weights are rounded as it computes, and the plain one, rounded as it would be kept."""
    wrapped, plain = quantization_aware.wrap(stored.read(folder), 4), stored.read(folder)
    # A step that changes nothing, so that the ranges are those of the weights as they are.
    replace(retraining(folder), optimizer=lambda: keras.optimizers.Adam(0.0)).train(wrapped.model, "wrapped")
    stored.fill(plain, quantization_aware.before_rounding(wrapped))
    learned = wrapped.model.query_vectors(small.queries())
    assert not np.allclose(plain.query_vectors(small.queries()), learned, atol=1e-3)
    kept = _rounded(plain, 4)
    np.testing.assert_allclose(kept.query_vectors(small.queries()), learned, atol=1e-5)
    items = small.features()
    np.testing.assert_allclose(kept.item_vectors(items), wrapped.model.item_vectors(items), atol=1e-5)


def test_it_learns_through_the_rounding(folder: Path) -> None:
    before = _loss(_rounded(stored.read(folder), AMOUNTS.bits))
    after = _loss(_rounded(TRAININGS["quantization-aware"](retraining(folder, 20), "qat", AMOUNTS), AMOUNTS.bits))
    assert after < before


def _rounded(model: Retriever, bits: int) -> Retriever:
    for tower in (model.query, model.candidate):
        for layer in tower.layers:
            if isinstance(layer, keras.layers.Dense):
                layer.kernel.assign(rounded(layer.kernel.numpy(), bits))
    embedding = model.query.get_layer("item_embedding")
    values, scales = quantize_rows(embedding.get_weights()[0], bits)
    embedding.set_weights([values * scales[:, None]])
    return model


def _loss(model: Retriever) -> float:
    data = batches(small.arrays(64), batch_size=64, seed=1)
    return float(model.compute_loss(next(iter(data.batches)), training=False))


def test_contestants_have_their_names_and_order(folder: Path) -> None:
    wanted = {"untrained": ["float32", "tied-8"], "control": ["float32"], "pruned": ["float32", "tied-4"]}
    made = list(contestants(retraining(folder), KNOWN, wanted.items(), AMOUNTS))
    assert [one.name for one in made] == ["float32", "tied-8", "control", "pruned", "pruned-tied-4"]
    assert [one.trained_on for one in made] == [False, False, True, True, True]
    assert [one.cost.epochs for one in made] == [0, 0, 3, 3, 3]
    assert [one.cost.steps for one in made] == [0, 0, 12, 12, 12]
    assert made[0].cost.seconds == 0 < made[-1].cost.seconds
    assert named("quantization-aware", "tied-4") == "quantization-aware-tied-4"


def test_a_contestant_does_not_depend_on_which_others_there_are(folder: Path) -> None:
    distilled = {"distilled": ["float32"]}
    few, many = (
        {one.name: one for one in contestants(retraining(folder, 1), KNOWN, wanted.items(), AMOUNTS)}["distilled"]
        for wanted in (distilled, {"untrained": ["tied-8"], "control": ["float32"]} | distilled)
    )
    asked = small.queries()
    np.testing.assert_array_equal(few.form.scores(asked), many.form.scores(asked))


def test_a_schedule_that_does_not_come_to_its_end_is_refused(folder: Path) -> None:
    def promised(_: Retriever) -> Data:
        return Data(batches(small.arrays(16), batch_size=16, seed=1).batches, steps=100)

    short = replace(retraining(folder, epochs=1), data=promised)
    with pytest.raises(NotCompressedError, match=r"'pruned': sparsity must be 0.6 after pruning"):
        TRAININGS["pruned"](short, "pruned", AMOUNTS)


def test_a_model_without_blocks_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(NotCompressedError, match=r"'shallow': needs a sequence model of more than compress.blocks = 1"):
        list(contestants(retraining(folder), KNOWN, {"shallow": ["tied-8"]}.items(), AMOUNTS))
