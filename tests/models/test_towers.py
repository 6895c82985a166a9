import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from models import retrieval, towers
from models.retrieval import Retrieval
from tests.models import small
from tests.models.small import SHAPE


@pytest.fixture
def model() -> Retrieval:
    keras.utils.set_random_seed(3)
    return retrieval.build(SHAPE)


def test_vectors_are_finite_and_of_length_one_also_without_a_history(model: Retrieval) -> None:
    asked = small.queries()
    assert asked.end[0] == 0
    for vectors in (model.query_vectors(asked), model.item_vectors(small.features())):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_an_item_that_is_cleared_is_known_by_its_content_alone(model: Retrieval) -> None:
    features, items = small.features(), len(small.features().item)
    before, cleared = model.item_vectors(features), np.arange(items) >= items - 3
    towers.clear(model.candidate, cleared)
    after = model.item_vectors(features)
    np.testing.assert_array_equal(after[~cleared], before[~cleared])
    assert (np.abs(after - before).max(axis=1)[cleared] > 1e-3).all()
    # The history is read with the same table.
    assert not model.query.get_layer("item_embedding").get_weights()[0][cleared].any()


def test_pooling_starts_as_the_half_lives_say() -> None:
    """One-hot embeddings show the weights themselves: for a half-life of 1 they are 1, 1/2, 1/4 of 7/4."""
    pooling = towers.RecencyPooling([1.0, 2.0])
    pooled = pooling([tf.eye(3)[None], tf.constant([[5, 6, 7]])]).numpy()[0]
    np.testing.assert_allclose(pooled[:3], np.array([4, 2, 1]) / 7, rtol=1e-6)
    slow = np.array([1, 0.5**0.5, 0.5])
    np.testing.assert_allclose(pooled[3:], slow / slow.sum(), rtol=1e-6)


def test_the_newest_item_weighs_most_at_the_start() -> None:
    history = tf.range(2, 2 + SHAPE.history_length)[None]
    pooled = towers.RecencyPooling(SHAPE.half_lives)([tf.eye(SHAPE.history_length)[None], history]).numpy()
    for weight in pooled.reshape(len(SHAPE.half_lives), -1):
        assert (np.diff(weight) < 0).all()


def test_pooling_leaves_padding_out_and_gives_zeros_for_nothing() -> None:
    embedded = tf.constant([[[1.0], [3.0], [np.float32(1e30)]]] * 2)
    pooled = towers.RecencyPooling([1.0])([embedded, tf.constant([[7, 9, 0], [0, 0, 0]])]).numpy()
    np.testing.assert_allclose(pooled, np.array([[5 / 3], [0]]), rtol=1e-6)


def test_what_stands_for_padding_has_no_influence_on_a_query(model: Retrieval) -> None:
    asked = small.queries(5)
    before, table = model.query_vectors(asked), model.query.get_layer("item_embedding")
    changed = table.get_weights()[0]
    changed[0] += 100
    table.set_weights([changed])
    np.testing.assert_array_equal(model.query_vectors(asked), before)
    changed[asked.timelines.items[0]] += 100
    table.set_weights([changed])
    assert not np.allclose(model.query_vectors(asked)[1], before[1])


def test_masked_mean() -> None:
    embedded = tf.constant([[[1.0, 2.0], [3.0, 6.0], [99.0, 99.0]]] * 2)
    mean = towers.MaskedMean()([embedded, tf.constant([[4, 1, 0], [0, 0, 0]])]).numpy()
    np.testing.assert_array_equal(mean, [[2, 4], [0, 0]])


def test_order_matters_and_one_more_item_too(model: Retrieval) -> None:
    history = np.array([[3, 4, 5, 0, 0], [5, 4, 3, 0, 0], [3, 4, 5, 6, 0]], np.int32)
    vectors = model.query({"history": history, "context": np.zeros((3, 4), np.float32)}, training=False).numpy()
    assert not np.allclose(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])


def test_a_layer_comes_back_from_its_configuration() -> None:
    layer = towers.RecencyPooling([1.0, 8.0], name="views")
    again = towers.RecencyPooling.from_config(layer.get_config())
    assert (again.half_lives, again.name) == ([1.0, 8.0], "views")
