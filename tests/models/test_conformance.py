"""What every recommender has to keep, and that each one finds what there is to be found in a world that it can read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dataset.batches import CandidateFeatures, examples
from dataset.query import DAY_SECONDS, Floats, Queries, ask
from evaluation import metrics, protocol
from evaluation.protocol import Scorer
from models.architecture import Architecture
from models.baselines.item_knn import ItemKNN
from models.baselines.popularity import Popularity
from serving.runtime import Scoring
from serving.servable import read_model
from tests.models.worlds import CATALOGUE, NUM_ITEMS, Toy, checkerboard, cycle

if TYPE_CHECKING:
    from models.retrieval import Retrieval

SEED = 7
EPOCHS = 12
ARCHITECTURE = Architecture(
    num_items=NUM_ITEMS,
    num_categories=4,
    categories_per_item=1,
    popularity_windows=2,
    history_length=10,
    embedding_dim=16,
    hidden_units=[16],
    half_lives=[0.5, 4.0],
    dropout=0.0,
    temperature=0.2,
)
WORLD = cycle()
PAST = WORLD.without_future()
NAMES = ("popularity", "recent-popularity", "item-knn", "two-tower", "exported-float32", "exported-int8")
TRAINED = NAMES[3:]


@dataclass(frozen=True)
class Contender:
    """One kind of recommender, made three times: from the world, from it again, and from the world without a future."""

    name: str
    scorer: Scorer
    again: Scorer
    past: Scorer


def train(world: Toy) -> "Retrieval":
    import tf_keras as keras

    from models import device, retrieval
    from models.fit import batches, fit

    device.prepare(seed=SEED, threads=2)
    data = batches(examples(world.train, world.features, ARCHITECTURE.history_length), batch_size=64, seed=SEED)
    model = retrieval.build(ARCHITECTURE)
    optimizer = keras.optimizers.Adam(0.01)
    fit(model, data, optimizer=optimizer, epochs=EPOCHS, patience=EPOCHS, validate=None, label="toy")
    return model


@pytest.fixture(scope="session")
def trained() -> dict[str, "Retrieval"]:
    """The retrieval model fitted to the world, again, and to the world without its future."""
    return {"world": train(WORLD), "again": train(WORLD), "past": train(PAST)}


def frozen(model: "Retrieval", world: Toy) -> Scorer:
    from models.retrieval import Frozen

    return Frozen(model, CandidateFeatures.catalogue(world.features, world.freeze))


def exported(model: "Retrieval", world: Toy, folder: Path, *, quantize: bool) -> Scorer:
    from models.export import export

    features = CandidateFeatures.catalogue(world.features, world.freeze)
    export(folder, name="toy", model=model, features=features, freeze=world.freeze, quantize=quantize)
    return Scoring(read_model(folder))


BASELINES: dict[str, Callable[[Toy], Scorer]] = {
    "popularity": lambda world: Popularity.fit(world.timelines, NUM_ITEMS, freeze=world.freeze),
    "recent-popularity": lambda world: Popularity.fit(
        world.timelines, NUM_ITEMS, freeze=world.freeze, window_seconds=2 * DAY_SECONDS
    ),
    "item-knn": lambda world: ItemKNN.fit(world.timelines, NUM_ITEMS, freeze=world.freeze, neighbours=20, shrink=1.0),
}


@pytest.fixture(scope="session", params=NAMES)
def contender(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Contender:
    name: str = request.param
    if name in BASELINES:
        return Contender(name, *(BASELINES[name](world) for world in (WORLD, WORLD, PAST)))
    made = [(model, PAST if label == "past" else WORLD) for label, model in request.getfixturevalue("trained").items()]
    if name == "two-tower":
        return Contender(name, *(frozen(model, world) for model, world in made))
    folder, quantize = tmp_path_factory.mktemp(name), name == "exported-int8"
    return Contender(
        name,
        *(exported(model, world, folder / str(row), quantize=quantize) for row, (model, world) in enumerate(made)),
    )


def close(one: Floats, other: Floats) -> None:
    """Equal up to the order of float32 sums."""
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6)


def ndcg(scorer: Scorer, world: Toy) -> float:
    ranking = protocol.rank(scorer, world.test, CATALOGUE, k=5, chunk_size=64)
    return float(metrics.accuracy(ranking.rank, [5])["ndcg_at_5"].mean())


def test_scores_are_finite_and_one_for_each_item(contender: Contender) -> None:
    scores = contender.scorer.scores(WORLD.test)
    assert scores.shape == (WORLD.num_users, NUM_ITEMS)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert np.ptp(scores[:, CATALOGUE]) > 0


def test_the_same_data_gives_the_same_scores(contender: Contender) -> None:
    first = np.array(contender.scorer.scores(WORLD.test))
    np.testing.assert_array_equal(first, contender.scorer.scores(WORLD.test))
    np.testing.assert_array_equal(first, contender.again.scores(WORLD.test))


def test_the_future_is_not_known(contender: Contender) -> None:
    """Fitted to the log without its future, and asked on it, a model says the same as with it."""
    known = PAST.timelines
    asked = Queries(known, WORLD.test.user, np.diff(known.starts), WORLD.test.time, WORLD.test.target)
    np.testing.assert_array_equal(contender.past.scores(asked), contender.scorer.scores(WORLD.test))


@pytest.mark.parametrize("name", list(BASELINES))
def test_the_future_would_show(name: str) -> None:
    """The control: a freeze that lies three days later gives other scores, so the future holds something to leak."""
    later = Toy(WORLD.log, WORLD.num_users, WORLD.freeze + 3 * DAY_SECONDS)
    honest, leaking = (BASELINES[name](world).scores(WORLD.test) for world in (WORLD, later))
    assert (honest != leaking).any(axis=1).all()


def test_batches_do_not_change_scores(contender: Contender) -> None:
    whole = np.array(contender.scorer.scores(WORLD.test))
    order = np.random.default_rng(1).permutation(WORLD.num_users)
    close(contender.scorer.scores(WORLD.test[order]), whole[order])
    for size in (1, 7, 64):
        parts = [contender.scorer.scores(WORLD.test[start : start + size]) for start in range(0, 70, size)]
        close(np.concatenate(parts)[:70], whole[:70])


def test_an_empty_history_is_answered(contender: Contender) -> None:
    nothing = ask(np.zeros(0, np.int32), np.zeros(0, np.int64), WORLD.freeze)
    scores = contender.scorer.scores(nothing)
    assert scores.shape == (1, NUM_ITEMS)
    assert np.isfinite(scores).all()


def test_the_next_item_is_found_by_who_can_know_it(contender: Contender) -> None:
    """Order is all there is to know. Neighbours know who stands beside, not on which side; popularity knows nothing."""
    worst, best = {"popularity": (0, 0.25), "recent-popularity": (0, 0.25), "item-knn": (0.5, 0.9)}.get(
        contender.name, (0.95, 1)
    )
    assert worst <= ndcg(contender.scorer, WORLD) <= best


def test_the_exported_model_says_what_the_trained_one_says(trained: dict[str, "Retrieval"], tmp_path: Path) -> None:
    ours = frozen(trained["world"], WORLD).scores(WORLD.test)
    for quantize, apart in ((False, 1e-5), (True, 0.05)):
        served = exported(trained["world"], WORLD, tmp_path / str(quantize), quantize=quantize).scores(WORLD.test)
        assert np.abs(served - ours).max() < apart
    # Eight bits are not thirty-two: the second folder really is the quantized one.
    assert np.abs(served - ours).max() > 1e-5


def test_item_knn_finds_the_withheld_item_of_a_checkerboard() -> None:
    board = checkerboard()
    knn = ItemKNN.fit(board.timelines, NUM_ITEMS, freeze=board.freeze, neighbours=20, shrink=1.0)
    ranking = protocol.rank(knn, board.test, CATALOGUE, k=3, chunk_size=7)
    assert ranking.rank.tolist() == [1] * board.num_users
    # Popularity cannot tell the colours apart.
    popular = Popularity.fit(board.timelines, NUM_ITEMS, freeze=board.freeze)
    assert protocol.rank(popular, board.test, CATALOGUE, k=3, chunk_size=7).rank.min() > 5
