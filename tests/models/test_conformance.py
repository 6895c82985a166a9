"""What every recommender has to keep, and that each one finds what there is to be found in a world that it can read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from dataset.batches import CandidateFeatures
from dataset.query import DAY_SECONDS, Floats, Queries, Timelines, ask
from dataset.world import Fold
from evaluation import metrics, protocol
from evaluation.protocol import Scorer
from models.architecture import Architecture, SequenceArchitecture
from models.baselines import als, content, ease, item_knn, popularity, user_knn
from scoring import folder as form_folder
from scoring.blend import Blend
from scoring.forms import Form
from scoring.pairs import Pairs
from scoring.two_stage import Retrieval, TwoStage
from tests.models.worlds import CATALOGUE, NUM_ITEMS, START, Toy, checkerboard, cycle

if TYPE_CHECKING:
    from models.stored import Retriever

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
SEQUENCE = SequenceArchitecture(
    num_items=NUM_ITEMS,
    num_categories=4,
    categories_per_item=1,
    trends=2,
    history_length=10,
    stride=10,
    embedding_dim=16,
    encoder="transformer",
    blocks=1,
    half_lives=[0.5, 4.0],
    forward_factor=2,
    head_units=16,
    dropout=0.0,
    id_dropout=0.0,
    content=True,
    timed=True,
    temperature=0.2,
    negatives=0,
)
SHAPES: dict[str, Architecture | SequenceArchitecture] = {
    "two-tower": ARCHITECTURE,
    "transformer": SEQUENCE,
    "sampled": msgspec.structs.replace(SEQUENCE, negatives=16),
    "gru": msgspec.structs.replace(SEQUENCE, encoder="gru"),
}
WORLD = cycle()
PAST = WORLD.without_future()
NAMES = (
    "popularity",
    "recent-popularity",
    "item-knn",
    "ease",
    "recency-ease",
    "user-knn",
    "content",
    "als",
    "factorization-machine",
    "mult-vae",
    "blend",
    "two-stage",
    *(f"{shape}{how}" for shape in SHAPES for how in ("", "-float32", "-float16", "-int8", "-tied-8")),
)


@dataclass(frozen=True)
class Contender:
    """One kind of recommender, made three times: from the world, from it again, and from the world without a future."""

    name: str
    scorer: Scorer
    again: Scorer
    past: Scorer


def train(world: Toy, shape: str) -> "Retriever":
    import tf_keras as keras

    from models import device, stored
    from models.fit import fit

    device.prepare(seed=SEED, threads=2)
    model = stored.build(SHAPES[shape])
    data = model.data(world.train, world.features, batch_size=64 if shape == "two-tower" else 8, seed=SEED)
    optimizer = keras.optimizers.Adam(0.01)
    fit(model, data, optimizer=optimizer, epochs=EPOCHS, patience=EPOCHS, validate=None, label="toy")
    return model


@cache
def trained(shape: str) -> dict[str, "Retriever"]:
    """A model fitted to the world, again, and to the world without its future."""
    return {"world": train(WORLD, shape), "again": train(WORLD, shape), "past": train(PAST, shape)}


def frozen(model: "Retriever", world: Toy) -> Scorer:
    return model.frozen(CandidateFeatures.catalogue(world.features, world.freeze))


def exported(model: "Retriever", world: Toy, folder: Path, storage: str) -> Scorer:
    from models.compression.storage import STORAGES, Known

    items = CandidateFeatures.catalogue(world.features, world.freeze)
    counts = np.bincount(world.train.target, minlength=NUM_ITEMS)
    form = STORAGES[storage].form(model, Known(items, counts, world.train[:20]))
    form_folder.write(folder, form, model="toy", name="toy", items=NUM_ITEMS, freeze=world.freeze)
    return form_folder.read(folder)[1]


def fitted_ease(world: Toy, half_life: float, trend: float) -> Form:
    return ease.fit(
        known(world),
        NUM_ITEMS,
        freeze=world.freeze,
        l2=1.0,
        half_life=half_life,
        longest=10,
        trend=trend,
        trend_seconds=2 * DAY_SECONDS,
    )


def fitted_knn(world: Toy) -> Form:
    return item_knn.fit(known(world), NUM_ITEMS, neighbours=20, shrink=1.0, half_life=np.inf, longest=50)


def fitted_user_knn(world: Toy) -> Form:
    return user_knn.fit(known(world), NUM_ITEMS, neighbours=20, shrink=1.0, half_life=2.0, longest=50)


def fitted_als(world: Toy) -> Form:
    return als.fit(
        known(world),
        NUM_ITEMS,
        factors=16,
        l2=1.0,
        alpha=5.0,
        iterations=5,
        half_life=1.0,
        longest=50,
        seed=SEED,
    )


def fitted_content(world: Toy) -> Form:
    return content.fit(
        world.features, CATALOGUE, year_weight=1.0, year_span=5.0, dense_weight=1.0, half_life=1.0, longest=50
    )


def fitted_factorization_machine(world: Toy) -> Form:
    from models import factorization

    counts, freeze, features = world.features.count_fit, world.freeze, world.features
    return factorization.fit(
        Fold("toy", known(world), world.train, world.train, CATALOGUE, counts, freeze, features),
        embedding_dim=16,
        half_life=0.5,
        longest=10,
        dropout=0.0,
        batch_size=64,
        learning_rate=0.02,
        epochs=EPOCHS,
        seed=SEED,
        threads=2,
    )


def fitted_mult_vae(world: Toy) -> Form:
    from models import mult_vae

    counts, freeze, features = world.features.count_fit, world.freeze, world.features
    return mult_vae.fit(
        Fold("toy", known(world), world.train, world.train, CATALOGUE, counts, freeze, features),
        hidden_units=64,
        latent_dim=32,
        half_life=1.0,
        longest=10,
        dropout=0.3,
        anneal_cap=0.01,
        batch_size=32,
        learning_rate=0.01,
        epochs=40,
        seed=SEED,
        threads=2,
    )


def known(world: Toy) -> Timelines:
    return world.timelines.before(world.freeze)


def two_stage(world: Toy) -> Scorer:
    """Neighbours and a ranker upon them: learned from the last day before the freeze, with what was known before it."""
    from models import device, pairing
    from models.learning_to_rank import Schedule, learn
    from models.ranking import RankerShape
    from models.shortlists import shortlists

    def retrieval(then: Toy) -> Retrieval:
        form, features = fitted_knn(then), then.features
        facts, tastes = pairing.facts(features, then.freeze), pairing.tastes(known(then), NUM_ITEMS, 8)
        return Retrieval(form, CATALOGUE, 20, Pairs(facts, features.categories, tastes, [0.5, 4.0], 10))

    device.prepare(seed=SEED, threads=2)
    earlier = Toy(world.log, world.num_users, START + 8 * DAY_SECONDS)
    asked = world.train[world.train.time >= earlier.freeze]
    lists = shortlists(retrieval(earlier), asked, np.ones(len(asked), np.float32))
    shape = RankerShape(
        numbers=lists.numbers.shape[2],
        items=NUM_ITEMS,
        longest=10,
        embedding_dim=8,
        cross_layers=2,
        units=16,
        dropout=0.0,
        l2=0.0,
        weight_loss=0.0,
    )
    ranker = learn(lists, shape, Schedule(epochs=40, batch_size=16, learning_rate=0.01, seed=SEED), label="toy")
    return TwoStage(retrieval(world), ranker)


@cache
def two_stages() -> tuple[Scorer, Scorer, Scorer]:
    """Fitted to the world, again, and to the world without its future."""
    return two_stage(WORLD), two_stage(WORLD), two_stage(PAST)


BASELINES: dict[str, Callable[[Toy], Scorer]] = {
    "popularity": lambda world: popularity.fit(known(world), NUM_ITEMS, freeze=world.freeze),
    "recent-popularity": lambda world: popularity.fit(
        known(world), NUM_ITEMS, freeze=world.freeze, window_seconds=2 * DAY_SECONDS
    ),
    "item-knn": fitted_knn,
    "ease": lambda world: fitted_ease(world, np.inf, 0.0),
    "recency-ease": lambda world: fitted_ease(world, 0.5, 0.01),
    "user-knn": fitted_user_knn,
    "content": fitted_content,
    "als": fitted_als,
    "factorization-machine": fitted_factorization_machine,
    "mult-vae": fitted_mult_vae,
    "blend": lambda world: Blend(
        [fitted_ease(world, 0.5, 0.0), fitted_knn(world)], [0, 4], np.array([[1, 1], [2, 0.5]], np.float32)
    ),
}


@pytest.fixture(scope="session", params=NAMES)
def contender(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Contender:
    name: str = request.param
    if name in BASELINES:
        return Contender(name, *(BASELINES[name](world) for world in (WORLD, WORLD, PAST)))
    if name == "two-stage":
        return Contender(name, *two_stages())
    shape = next(shape for shape in sorted(SHAPES, key=len, reverse=True) if name.startswith(shape))
    made = [(model, PAST if label == "past" else WORLD) for label, model in trained(shape).items()]
    if name == shape:
        return Contender(name, *(frozen(model, world) for model, world in made))
    folder = tmp_path_factory.mktemp(name)
    return Contender(
        name,
        *(
            exported(model, world, folder / str(row), name.removeprefix(f"{shape}-"))
            for row, (model, world) in enumerate(made)
        ),
    )


def close(one: Floats, other: Floats) -> None:
    """Equal up to the order of float32 sums, of scores up to about 10 that may all but cancel out."""
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=5e-6)


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


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "content"])
def test_the_future_would_show(name: str) -> None:
    """The control: a freeze that lies three days later gives other scores, so the future holds something to leak.

    Content is read and not learned.
    """
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
    """Order is all there is to know. Neighbours know who stands beside, not on which side (unless the history fades,
    so that the newest item counts most); popularity knows nothing."""
    nothing, sides = (0, 0.25), (0.4, 0.95)
    worst, best = {
        "popularity": nothing,
        "recent-popularity": nothing,
        "item-knn": sides,
        "ease": sides,
        "content": nothing,
        "mult-vae": (0.4, 1),
        "blend": (0.4, 1),
        "two-stage": (0.4, 1),
    }.get(contender.name, (0.95, 1))
    assert worst <= ndcg(contender.scorer, WORLD) <= best


APART = {"float32": 1e-5, "float16": 0.002, "int8": 0.05, "tied-8": 0.03, "tied-7": 0.06, "tied-6": 0.1, "tied-4": 0.4}
"""Way to keep a model -> how far a score may be off, as a share of the largest."""


@pytest.mark.parametrize("shape", ["two-tower", "transformer", "gru"])
def test_the_exported_model_says_what_the_trained_one_says(shape: str, tmp_path: Path) -> None:
    model = trained(shape)["world"]
    ours = frozen(model, WORLD).scores(WORLD.test)
    scale = float(np.abs(ours).max())
    found = {}
    for storage, apart in APART.items():
        served = exported(model, WORLD, tmp_path / storage, storage).scores(WORLD.test)
        found[storage] = float(np.abs(served - ours).max()) / scale
        assert found[storage] < apart, storage
    # Fewer bits are not thirty-two: the folders really are the quantized ones.
    assert min(value for storage, value in found.items() if storage != "float32") > 1e-5


def test_item_knn_finds_the_withheld_item_of_a_checkerboard() -> None:
    board = checkerboard()
    ranking = protocol.rank(fitted_knn(board), board.test, CATALOGUE, k=3, chunk_size=7)
    assert ranking.rank.tolist() == [1] * board.num_users
    # Popularity cannot tell the colours apart.
    popular = popularity.fit(known(board), NUM_ITEMS, freeze=board.freeze)
    assert protocol.rank(popular, board.test, CATALOGUE, k=3, chunk_size=7).rank.min() > 5
