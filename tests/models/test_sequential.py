"""The sequence model's loss and what it may not see."""

from itertools import chain
from typing import Any

import msgspec
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from dataset.batches import CandidateFeatures
from dataset.features import NEVER, ItemFeatures
from dataset.query import Queries, Timelines
from models import device, export, sequence_data, sequential, stored
from models.architecture import SequenceArchitecture
from models.device import Policy
from models.fit import fit
from models.sequential import Sequential, log_partition

ITEMS, DAY = 12, 86_400
SHAPE = SequenceArchitecture(
    num_items=ITEMS,
    num_categories=4,
    categories_per_item=2,
    trends=2,
    history_length=8,
    stride=8,
    embedding_dim=8,
    encoder="transformer",
    blocks=2,
    half_lives=[1.0, 4.0],
    forward_factor=2,
    head_units=16,
    dropout=0.0,
    id_dropout=0.0,
    content=True,
    timed=True,
    temperature=0.2,
    negatives=0,
)


def features(seed: int = 0) -> ItemFeatures:
    rng = np.random.default_rng(seed)
    return ItemFeatures(
        categories=rng.integers(0, 4, (ITEMS, 2)).astype(np.int32),
        year=rng.uniform(size=ITEMS).astype(np.float32),
        popularity=rng.uniform(size=(5, ITEMS, 2)).astype(np.float32),
        snapshot_times=np.arange(5) * DAY,
        count_train=np.ones(ITEMS, np.int64),
        count_fit=np.ones(ITEMS, np.int64),
        first_seen=np.array([NEVER, NEVER, 0, 0, 0, 0, 0, 0, 0, 0, 2 * DAY, 4 * DAY]),
        dense=np.zeros((ITEMS, 0), np.float32),
    )


def asked(users: int = 6, events: int = 20, seed: int = 0) -> Queries:
    """Every user takes something every five hours; the query of each event after the first."""
    rng = np.random.default_rng(seed)
    lines = Timelines(
        np.arange(users + 1) * events,
        rng.integers(2, ITEMS, users * events).astype(np.int32),
        np.tile(np.arange(events) * 5 * 3600, users).astype(np.int64),
    )
    user, end = np.repeat(np.arange(users), events), np.tile(np.arange(events), users)
    return Queries(lines, user.astype(np.int32), end, lines.times, lines.items)


def model(**changes: Any) -> Sequential:
    keras.utils.set_random_seed(5)
    return sequential.build(msgspec.structs.replace(SHAPE, **changes))


def batch(made: Sequential, queries: Queries) -> dict[str, tf.Tensor]:
    found: dict[str, tf.Tensor] = next(iter(made.data(queries, features(), batch_size=100, seed=1).batches))
    return found


@pytest.mark.parametrize("encoder", ["transformer", "gru", "lstm"])
def test_what_is_served_is_what_was_trained(encoder: str) -> None:
    """Reading the history of one query, and reading a window in which it is one of many, come to the same."""
    made = model(encoder=encoder, history_length=32, stride=32)
    queries = asked()
    data = batch(made, queries)
    trained = made.query({name: data[name] for name in ("history", "age", "at", "context")})
    frozen = made.frozen(CandidateFeatures.catalogue(features(), 3 * DAY))
    tower = export.tower(made, CandidateFeatures.catalogue(features(), 3 * DAY))
    by_target: dict[tuple[int, bytes], list[np.ndarray]] = {}
    for row, target in enumerate(data["target"].numpy()):
        by_target.setdefault((int(target), data["context"].numpy()[row].tobytes()), []).append(trained.numpy()[row])
    served = tower.query_vectors(queries)
    np.testing.assert_allclose(frozen.scores(queries), tower.scores(queries), atol=1e-4)
    whole = 0
    for row, context in enumerate(queries.context()):
        candidates = by_target[int(queries.target[row]), context.tobytes()]
        whole += any(np.allclose(candidate, served[row], atol=1e-4) for candidate in candidates)
    # A window that begins within a user's history has a shorter one; the others, most of them, must agree.
    assert whole > len(queries) / 2


def test_a_later_event_changes_nothing_before_it() -> None:
    made = model()
    data = batch(made, asked())
    inputs = {name: data[name] for name in ("history", "age", "at", "context")}
    before = made.query(inputs).numpy()
    history = inputs["history"].numpy()
    place = inputs["at"].numpy()
    history[:, 0] = 2 + (history[:, 0] - 1) % (ITEMS - 2)  # the newest event of every window becomes another item
    after = made.query(inputs | {"history": tf.constant(history)}).numpy()
    newest = place % history.shape[1] == 0
    assert np.abs(after - before)[newest & (place >= 0)].max() > 1e-3
    np.testing.assert_allclose(after[~newest | (place < 0)], before[~newest | (place < 0)], atol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 0.2])
@pytest.mark.parametrize("encoder", ["transformer", "gru"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_and_scores_in_float32(policy: Policy, encoder: str, temperature: float) -> None:
    """Padding stands in most windows: what is masked is infinite in float16, and a row of it would be no number."""
    shape = msgspec.structs.replace(SHAPE, encoder=encoder, temperature=temperature)
    made = sequential.build(shape, policy=policy)
    before = stored.weights(made)
    optimizer = device.optimizer(0.01, policy=policy)
    data = made.data(asked(), features(), batch_size=4, seed=1)
    fit(made, data, optimizer=optimizer, epochs=2, patience=1, validate=None, label=policy)
    vectors = made.item_vectors(CandidateFeatures.catalogue(features(), 3 * DAY))
    scores = made.frozen(CandidateFeatures.catalogue(features(), 3 * DAY)).scores(asked())
    assert vectors.dtype == scores.dtype == np.float32
    assert np.isfinite(scores).all()
    after = stored.weights(made)
    assert sum(not np.array_equal(after[name], before[name]) for name in after) > 10
    assert made.query.get_layer("head_out").compute_dtype == policy.removeprefix("mixed_")


def test_without_history_only_the_context_speaks() -> None:
    made = model()
    data = batch(made, asked())
    inputs = {name: data[name] for name in ("history", "age", "at", "context")}
    vectors = made.query(inputs | {"history": tf.zeros_like(inputs["history"])}).numpy()
    cold = inputs["at"].numpy() == sequence_data.NOWHERE
    assert cold.sum() == 6
    np.testing.assert_allclose(vectors[cold], made.query(inputs).numpy()[cold], atol=1e-6)


def test_the_full_loss_by_hand() -> None:
    made = model()
    data = batch(made, asked())
    query = made.query({name: data[name] for name in ("history", "age", "at", "context")}).numpy()
    known, losses, unborn = features(), [], 0
    for row, (target, snapshot, alive) in enumerate(
        zip(data["target"].numpy(), data["snapshot"].numpy(), data["alive"].numpy(), strict=True)
    ):
        items = made.item_vectors(
            CandidateFeatures.of(
                known, np.arange(ITEMS, dtype=np.int32), np.full(ITEMS, known.snapshot_times[snapshot])
            )
        )
        born = np.flatnonzero(known.first_seen <= np.sort(known.first_seen)[alive - 1])
        # The generated log takes two items before anybody is said to have: a target is always among the candidates.
        unborn += target not in born
        logits = items.astype(np.float64) @ query[row]
        losses.append(np.log(np.exp(logits[np.union1d(born, target)]).sum()) - logits[target])
    assert 0 < unborn < len(losses) / 2
    assert float(made.compute_loss(data)) == pytest.approx(np.mean(losses), rel=1e-5)


def test_the_gradient_of_the_full_loss_is_the_librarys() -> None:
    rng = np.random.default_rng(3)
    logits, upstream = tf.constant(5 * rng.normal(size=(7, 11))), tf.constant(rng.normal(size=7))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        ours, theirs = log_partition(logits), tf.reduce_logsumexp(logits, axis=1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    mine, other = (tape.gradient(value, logits, output_gradients=upstream) for value in (ours, theirs))
    np.testing.assert_allclose(mine, other, rtol=1e-9)


def test_a_large_sample_estimates_the_full_loss() -> None:
    queries = asked()
    queries = queries[queries.target < 10]
    full, sampled = model(), model(negatives=4000)
    data = batch(full, queries)
    expected = float(full.compute_loss(data))
    assert float(sampled.compute_loss(data)) == pytest.approx(expected, rel=0.03)
    # The control: without the correction for how often an item is drawn, it would be far off.
    assert abs(float(sampled.compute_loss(data | {"all_share": tf.roll(data["all_share"], 1, 0) * 5})) - expected) > 0.2


def test_each_epoch_is_cut_anew_and_again_the_same_by_its_seed() -> None:
    made = model()

    def epochs(seed: int) -> list[list[list[int]]]:
        data = made.data(asked(), features(), batch_size=3, seed=seed).batches
        return [[one["target"].numpy().tolist() for one in data] for _ in range(2)]

    first, second = epochs(1)
    assert first != second
    assert epochs(1) == [first, second]
    assert epochs(2) != [first, second]
    assert sorted(chain.from_iterable(first)) == sorted(chain.from_iterable(second))
