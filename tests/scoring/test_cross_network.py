"""A cross layer by hand, and what does not fit."""

import numpy as np
import pytest

from scoring.cross_network import CLIP, CrossNetwork
from scoring.fading import Fading
from scoring.forms import FormError
from tests.scoring.stages import network

NOTHING = Fading(np.zeros((1, 1), np.int32), np.zeros((1, 1, 1), np.float32))


def array(*values: object) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_network_by_hand() -> None:
    made = CrossNetwork(
        mean=array(1, 0),
        scale=array(1, 2),
        embedding=np.zeros((3, 0), np.float32),
        cross=[(array([1, 0], [2, 1]), array(0, 1)), (array([0, 1], [0, 0]), array(0, 0))],
        hidden=(array([1], [-1]), array(2)),
        out=array(1, 10, 100),
    )
    # Numbers (2, 4) become x0 = (1, 2).
    # x0 W = (1 * 1 + 2 * 2, 1 * 0 + 2 * 1) = (5, 2), with its bias (5, 3): x1 = (1 * 5, 2 * 3) + (1, 2) = (6, 8).
    # x1 W = (0, 6): x2 = (1 * 0, 2 * 6) + (6, 8) = (6, 20). Hidden: relu(6 - 20 + 2) = 0.
    # Score: x0[0] + 6 + 10 * 20 = 207.
    # Numbers (2, 0) become (1, 0): x0 W + b = (1, 1), x1 = (2, 0), x1 W = (0, 2), x2 = (2, 0), hidden 4: 1 + 2 + 400.
    found = made.scores(array([[2, 4], [2, 0]]), np.zeros((1, 2), np.int64), NOTHING)
    assert found.tolist() == [[207, 403]]


def test_embeddings_of_candidate_and_history_stand_beside_the_numbers() -> None:
    made = CrossNetwork(
        mean=array(0),
        scale=array(1),
        embedding=array([0], [3], [5]),
        cross=[],
        hidden=(np.zeros((3, 1), np.float32), array(0)),
        out=array(0, 1, 100, 0),
    )
    # Of two half-lives the first is read.
    history = Fading(np.array([[2, 1]], np.int32), array([[0.5, 0.5], [1, 0]]))
    found = made.scores(array([[1], [2]]), np.array([[1, 2]]), history)
    # The number itself, the candidate's 3 or 5, and 100 times the history's mean of 3 and 5.
    assert found.tolist() == [[1 + 3 + 400, 2 + 5 + 400]]


def test_far_out_numbers_count_no_more() -> None:
    made = network(3)
    assert np.abs(made.standardized(np.full((1, 1, 3), 1e9, np.float32))).max() == CLIP
    assert np.isfinite(made.scores(np.full((1, 1, 3), 1e9, np.float32), np.zeros((1, 1), np.int64), NOTHING)).all()


@pytest.mark.parametrize("embedding_dim", [0, 4])
def test_it_comes_back(embedding_dim: int) -> None:
    made = network(5, embedding_dim=embedding_dim, layers=3)
    again = CrossNetwork.of(made.arrays(), layers=3)
    numbers = np.random.default_rng(1).normal(size=(2, 4, 5)).astype(np.float32)
    items = np.arange(8).reshape(2, 4)
    history = Fading(np.array([[1], [2]], np.int32), np.ones((2, 1, 1), np.float32))
    np.testing.assert_array_equal(again.scores(numbers, items, history), made.scores(numbers, items, history))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("scale", np.zeros(5, np.float32), "scale: must be above 0"),
        ("scale", np.ones(4, np.float32), r"scale: shape must be \(5,\)"),
        ("cross_1_w", np.ones((5, 4), np.float32), r"cross_1_w: shape must be \(5, 5\)"),
        ("cross_0_b", np.full(5, np.nan, np.float32), "cross_0_b: must be finite"),
        ("hidden_w", np.ones((4, 3), np.float32), r"hidden_w: shape must be \(5, 3\)"),
        ("out", np.ones(5, np.float32), r"out: shape must be \(8,\)"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: np.ndarray, says: str) -> None:
    with pytest.raises(FormError, match=says):
        CrossNetwork.of(network(5).arrays() | {name: value}, layers=2)


def test_a_missing_layer_is_refused() -> None:
    with pytest.raises(FormError, match="cross_2_w: is missing"):
        CrossNetwork.of(network(5).arrays(), layers=3)
