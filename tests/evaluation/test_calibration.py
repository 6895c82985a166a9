from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import calibration
from tests.evaluation.toys import questions

# Items 2 and 3 are of category 2, 4 and 5 of category 3, 6 of both, 7 of none, 8 of category 4.
CATEGORIES = np.array([[0, 0], [0, 0], [2, 0], [2, 0], [3, 0], [3, 0], [2, 3], [0, 0], [4, 0]], np.int32)
WEIGHTS = calibration.shares(CATEGORIES)


def found(histories: list[list[int]], lists: list[list[int]], k: int) -> list[float]:
    tastes = calibration.taste(questions(histories, [2] * len(histories)), WEIGHTS)
    shown = np.array(lists, np.int32)
    values: list[float] = calibration.miscalibration(shown, tastes, WEIGHTS, [k])[f"miscalibration_at_{k}"].tolist()
    return values


def test_an_items_weight_is_shared_by_its_categories() -> None:
    assert WEIGHTS.toarray()[[2, 6, 7]].tolist() == [[0, 0, 1, 0, 0], [0, 0, 0.5, 0.5, 0], [0] * 5]


def test_a_taste_is_the_mix_of_the_whole_history() -> None:
    tastes = calibration.taste(questions([[2, 3, 4, 6], [7], [], [7, 8], [2, 2, 4]], [2] * 5), WEIGHTS).toarray()
    nothing = [0.0] * 5
    expected = [0, 0, 2.5 / 4, 1.5 / 4, 0, *nothing, *nothing, 0, 0, 0, 0, 1, 0, 0, 2 / 3, 1 / 3, 0]
    assert tastes.ravel().tolist() == pytest.approx(expected)


def test_steck_by_hand() -> None:
    # Steck's own example: 70 of 100 of one genre, 30 of another, and a list of the first alone.
    history = [2] * 70 + [4] * 30
    expected = 0.7 * log(0.7 / (0.99 * 1 + 0.01 * 0.7)) + 0.3 * log(0.3 / (0.01 * 0.3))
    assert found([history], [[2, 3]], 2) == pytest.approx([expected])
    # Half and half: 0.7 ln(.7 / .502) + 0.3 ln(.3 / .498).
    even = 0.7 * log(0.7 / (0.99 * 0.5 + 0.007)) + 0.3 * log(0.3 / (0.99 * 0.5 + 0.003))
    assert found([history], [[2, 4]], 2) == pytest.approx([even])
    assert even < expected


def test_the_same_mix_is_calibrated_and_a_strange_one_costs_the_most_there_is() -> None:
    assert found([[2, 4], [2, 4], [2, 4]], [[3, 5], [6, -1], [8, 8]], 2) == pytest.approx([0, 0, log(100)])


def test_the_cutoff_is_the_lists() -> None:
    assert found([[2]], [[2, 4]], 1) == [0]
    assert found([[2]], [[2, 4]], 2)[0] > 0.5


def test_without_a_taste_or_a_list_there_is_no_value() -> None:
    assert np.isnan(found([[], [7], [2], [2]], [[2, 3], [2, 3], [-1, -1], [7, -1]], 2)).all()


@given(seed=st.integers(0, 300))
def test_it_is_never_negative_bounded_and_the_same_in_any_order(seed: int) -> None:
    generator = np.random.default_rng(seed)
    histories = [generator.integers(2, 9, size).tolist() for size in generator.integers(0, 9, 7)]
    shown = [generator.permutation(np.arange(2, 9))[:4].tolist() for _ in range(7)]
    values = found(histories, shown, 4)
    told = np.array(values)[~np.isnan(values)]
    assert ((told >= 0) & (told <= log(100) + 1e-12)).all()
    order = generator.permutation(7)
    mixed = found([histories[row][::-1] for row in order], [shown[row][::-1] for row in order], 4)
    assert mixed == pytest.approx([values[row] for row in order], nan_ok=True)


def test_many_queries_are_worked_off_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    histories, shown = [[2, 4], [2], [8, 2, 4]] * 5, [[3, 8], [4, 5], [8, 6]] * 5
    whole = found(histories, shown, 2)
    monkeypatch.setattr(calibration, "CELLS", 11)
    assert found(histories, shown, 2) == whole
    assert len(set(whole)) == 3


def test_no_queries_have_no_values() -> None:
    tastes = calibration.taste(questions([[2]], [], users=[]), WEIGHTS)
    assert calibration.miscalibration(np.zeros((0, 3), np.int32), tastes, WEIGHTS, [3])["miscalibration_at_3"].size == 0
