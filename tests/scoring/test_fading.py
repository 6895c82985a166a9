"""Fading histories, by hand."""

import numpy as np
import pytest

from scoring.fading import fading
from tests.scoring.stages import ASKED, FACTS


def test_no_more_of_a_history_is_read_than_longest() -> None:
    # User 2 took 5, 2, 5, 3, of which three are read: 3, 5, 2 with weights 4, 2, 1 of 7.
    found = fading(ASKED, [1.0, np.inf], longest=3)
    assert found.items[2].tolist() == [3, 5, 2]
    np.testing.assert_allclose(found.weights[2], [[4 / 7, 2 / 7, 1 / 7], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)
    assert found.weights.sum(axis=-1)[:, 0].tolist() == pytest.approx([0, 1, 1, 1])


def test_the_mean_is_over_the_events() -> None:
    found = fading(ASKED, [1.0], longest=9).mean(FACTS)
    # 5, 2, 5, 3 with ages 3, 2, 1, 0: 5 was taken twice.
    expected = (8 * FACTS[3] + (4 + 1) * FACTS[5] + 2 * FACTS[2]) / 15
    np.testing.assert_allclose(found[2, 0], expected, rtol=1e-5)
    assert not found[0].any()


def test_what_is_read_does_not_depend_on_who_else_asks() -> None:
    alone, together = fading(ASKED[3:], [2.0], longest=9), fading(ASKED, [2.0], longest=9)
    np.testing.assert_array_equal(alone.mean(FACTS)[0], together.mean(FACTS)[3])


def test_nobody_has_a_history() -> None:
    assert fading(ASKED[:1], [1.0], longest=2).weights.tolist() == [[[0.0, 0.0]]]
    assert fading(ASKED[:0], [1.0], longest=9).mean(FACTS).shape == (0, 1, 2)
