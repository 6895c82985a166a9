"""A student: how small it is, what its teacher's losses are, and that it comes to say what its teacher says."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from models import device, retrieval, stored
from models.attention import MASKED
from models.compression import distillation
from models.compression.distillation import Distilling, Student, Teaching, distilled, smaller
from models.compression.retraining import Retraining
from models.fit import batches
from models.stored import Retriever
from tests.models import small
from tests.models import test_sequential as sequence

HALF = Student(width_share=0.5, blocks=1)
TAUGHT = Teaching(top=5, temperature=2.0, weight=3.0, epochs=15)
KINDS = ("two-tower", "transformer", "sampled")


def _model(kind: str) -> Retriever:
    keras.utils.set_random_seed(11)
    if kind == "two-tower":
        return retrieval.build(msgspec.structs.replace(small.SHAPE, dropout=0.0))
    if kind == "sampled":
        return sequence.model(negatives=8)
    return sequence.model(encoder=kind)


def _retraining(folder: Path, kind: str) -> Retraining:
    """The data of one kind for all, in which the float model, that has learned nothing, has a taste of its own."""
    two_tower = kind == "two-tower"
    return Retraining(
        folder=folder,
        data=lambda model: (
            batches(small.arrays(64), batch_size=16, seed=1)
            if two_tower
            else model.data(sequence.asked(), sequence.features(), batch_size=3, seed=1)
        ),
        optimizer=lambda: keras.optimizers.Adam(0.0),
        afresh=lambda: keras.optimizers.Adam(0.02),
        epochs=1,
        seed=5,
    )


def _missed(folder: Path, kind: str, student: Retriever, teacher: Retriever) -> float:
    """How unlikely a student thinks the teacher's lists, on one batch."""
    batch = next(iter(_retraining(folder, kind).data(teacher).batches))
    items, log_drawn = teacher.compared(batch)
    theirs, ours = (model.scores_among(batch, items) for model in (teacher, student))
    return float(tf.reduce_mean(distillation.ranking(theirs, ours, log_drawn, TAUGHT.top)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_student_comes_to_say_what_its_teacher_says(kind: str, tmp_path: Path) -> None:
    teacher = _model(kind)
    stored.write(teacher, tmp_path)
    found = {}
    for weight in (0.0, TAUGHT.weight):
        keras.utils.set_random_seed(2)
        found[weight] = distilled(_retraining(tmp_path, kind), "distilled", HALF, replace(TAUGHT, weight=weight))
    assert found[0.0].architecture == smaller(teacher.architecture, HALF)
    alone, taught = (_missed(tmp_path, kind, found[weight], teacher) for weight in (0.0, TAUGHT.weight))
    assert taught < 0.9 * alone


def test_the_same_seed_makes_the_same_student(tmp_path: Path) -> None:
    stored.write(_model("two-tower"), tmp_path)
    found = []
    for _ in range(2):
        device.seed_everything(4)
        found.append(distilled(_retraining(tmp_path, "two-tower"), "distilled", HALF, replace(TAUGHT, epochs=2)))
    for name, value in stored.weights(found[0]).items():
        np.testing.assert_array_equal(stored.weights(found[1])[name], value, err_msg=name)


def test_only_the_student_learns(tmp_path: Path) -> None:
    stored.write(_model("two-tower"), tmp_path)
    teacher, student = stored.read(tmp_path), stored.build(smaller(small.SHAPE, HALF))
    before = stored.weights(teacher)
    learner = Distilling(student, teacher, TAUGHT)
    _retraining(tmp_path, "two-tower").train(learner, "distilled")
    assert len(learner.get_weights()) == len(student.get_weights())
    for name, value in stored.weights(teacher).items():
        np.testing.assert_array_equal(value, before[name])


def test_what_nobody_has_taken_stays_zeros(tmp_path: Path) -> None:
    teacher = _model("two-tower")
    vectors = teacher.query.get_layer("item_embedding").get_weights()[0]
    vectors[7] = 0
    teacher.query.get_layer("item_embedding").set_weights([vectors])
    stored.write(teacher, tmp_path)
    made = distilled(_retraining(tmp_path, "two-tower"), "distilled", HALF, replace(TAUGHT, epochs=1))
    zeros = (made.query.get_layer("item_embedding").get_weights()[0] == 0).all(axis=1)
    assert np.flatnonzero(zeros).tolist() == [7]


def test_a_student_is_narrower_and_as_wide_as_its_heads_need() -> None:
    assert smaller(small.SHAPE, HALF) == msgspec.structs.replace(small.SHAPE, embedding_dim=4, hidden_units=[8])
    shape = msgspec.structs.replace(sequence.SHAPE, embedding_dim=12, blocks=3, half_lives=[1.0, 2.0, 4.0, 8.0])
    found = smaller(shape, Student(width_share=0.5, blocks=2))
    assert found == msgspec.structs.replace(shape, embedding_dim=8, head_units=8, blocks=2)
    recurrent = msgspec.structs.replace(shape, encoder="gru")
    assert smaller(recurrent, HALF) == msgspec.structs.replace(recurrent, embedding_dim=6, head_units=8, blocks=1)
    found = smaller(shape, Student(width_share=0.01, blocks=9))
    assert found == msgspec.structs.replace(shape, embedding_dim=4, head_units=1, blocks=3)


def test_the_losses_have_their_known_values() -> None:
    theirs = tf.constant([[4.0, 1.0, 3.0, MASKED], [MASKED, 2.0, MASKED, MASKED]])
    ours = tf.constant([[0.5, 2.0, -1.0, MASKED], [MASKED, 0.0, MASKED, MASKED]])
    log_p = np.array([0.5, 2.0, -1.0]) - np.log(np.exp([0.5, 2.0, -1.0]).sum())
    weight = np.exp(-np.arange(2) / distillation.FADING)
    said = distillation.ranking(theirs, ours, tf.zeros(4), 2).numpy()
    np.testing.assert_allclose(said, [-(weight / weight.sum()) @ log_p[[0, 2]], 0.0], rtol=1e-5, atol=1e-6)
    label, answer = np.exp([2.0, 1.5]), np.exp([0.25, -0.5])
    expected = -4 * (label / label.sum()) @ np.log(answer / answer.sum())
    np.testing.assert_allclose(distillation.soft(theirs, ours, 2, 2.0).numpy(), [expected, 0.0], rtol=1e-5, atol=1e-6)


def test_a_sample_is_corrected_for_what_is_drawn_more_often() -> None:
    """Two students that differ by how likely each item was to be in the sample are alike to the loss."""
    theirs, ours = tf.constant([[3.0, 2.0, 1.0]]), tf.constant([[1.0, 0.0, -1.0]])
    log_drawn = tf.math.log([0.5, 0.2, 0.9])
    plain = distillation.ranking(theirs, ours, tf.zeros(3), 3)
    np.testing.assert_allclose(distillation.ranking(theirs, ours + log_drawn[None], log_drawn, 3), plain, rtol=1e-5)
