from typing import Any

import numpy as np
import pytest

from dataset.features import FeatureError
from dataset.treatments import Table, Treatment, dense, filled, reduced

NAN = np.nan
ALL = np.ones(4, np.bool_)
NOTHING = np.zeros((4, 0))


def how(missing: str = "drop", normalization: str = "none", constant: float = 0.0, neighbours: int = 1) -> Treatment:
    chosen: dict[str, Any] = {"missing": missing, "normalization": normalization}
    return Treatment(**chosen, constant=constant, neighbours=neighbours)


def column(*values: float) -> Table:
    return np.array(values, np.float64)[:, None]


def test_gaps_that_are_dropped_stay_and_are_told() -> None:
    values = np.array([[1.0, NAN], [NAN, 4.0], [3.0, 5.0], [NAN, NAN]])
    kept = filled(values, NOTHING, ALL, how())
    assert np.array_equal(kept, values, equal_nan=True)
    found = dense(kept, ALL, how())
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 0, 1], [0, 4, 1, 0], [3, 5, 0, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize(("missing", "value"), [("median", 2.0), ("mean", 4.0), ("constant", -7.0)])
def test_gaps_are_filled_by_one_value(missing: str, value: float) -> None:
    values = column(1, 2, 9, NAN)
    found = filled(values, NOTHING, ALL, how(missing, constant=-7.0))
    assert found.ravel().tolist() == [1, 2, 9, value]
    assert dense(found, ALL, how(missing)).shape == (4, 1)


def test_a_model_takes_the_value_of_the_nearest_item() -> None:
    # The last item has the weight of the second and nothing else is known of it.
    values = np.array([[100.0, 1.0], [200.0, 5.0], [300.0, 9.0], [201.0, NAN]])
    assert filled(values, NOTHING, ALL, how("model"))[3].tolist() == [201, pytest.approx(5)]
    # Of two neighbours, the mean: 200 and 300 are nearer to 240 than 100 is.
    values[3, 0] = 240.0
    assert filled(values, NOTHING, ALL, how("model", neighbours=2))[3, 1] == pytest.approx(7)


def test_a_model_reads_the_categories_as_well() -> None:
    values = column(1, 5, 9, NAN)
    categories = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert filled(values, categories, ALL, how("model")).ravel().tolist() == [1, 5, 9, pytest.approx(5)]
    assert filled(values, 1 - categories, ALL, how("model"))[3, 0] == pytest.approx(5)
    assert filled(values, categories[[1, 0, 1, 1]], ALL, how("model"))[3, 0] in (pytest.approx(1), pytest.approx(9))


def test_the_scale_of_a_column_does_not_decide_who_is_near() -> None:
    # In raw numbers the first item is nearer (weights count thousands), on a common scale the second is.
    values = np.array([[1000.0, 0.9, 1.0], [1400.0, 0.1, 5.0], [9000.0, 0.5, 9.0], [1100.0, 0.1, NAN]])
    assert filled(values, NOTHING, ALL, how("model"))[3, 2] == pytest.approx(5)


@pytest.mark.parametrize("missing", ["median", "mean", "model"])
def test_what_is_learned_is_learned_of_the_fitted_items_alone(missing: str) -> None:
    fitted = np.array([True, True, True, False, False])
    values = column(1, 2, 3, 1000, NAN)
    known = filled(values, np.zeros((5, 0)), fitted, how(missing, neighbours=3))
    assert known.ravel().tolist() == pytest.approx([1, 2, 3, 1000, 2])
    # Negative control: with all of them learned from, the last would be another.
    everything = filled(values, np.zeros((5, 0)), np.ones(5, np.bool_), how(missing, neighbours=4))
    assert everything[4, 0] != pytest.approx(2)


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("none", [1, 2, 3, 6]),
        # mean 3, deviation sqrt((4 + 1 + 0 + 9) / 4) = sqrt(3.5)
        ("standard", [-2 / 3.5**0.5, -1 / 3.5**0.5, 0, 3 / 3.5**0.5]),
        # median 2.5, quartiles 1.75 and 3.75
        ("robust", [-0.75, -0.25, 0.25, 1.75]),
        # thirds of the normal distribution; its ends are cut off at 5.2
        ("quantile", [-5.199338, -0.4307273, 0.4307273, 5.199338]),
    ],
)
def test_a_common_scale(normalization: str, expected: list[float]) -> None:
    found = dense(column(1, 2, 3, 6), ALL, how("median", normalization))
    assert found.ravel().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("normalization", ["standard", "robust", "quantile"])
def test_a_scale_is_that_of_the_fitted_items_and_ignores_gaps(normalization: str) -> None:
    fitted = np.array([True, True, True, True, False, False])
    values = column(1, 2, 3, 6, 100, NAN)
    found = dense(values, fitted, how("drop", normalization))
    alone = dense(values[:4], ALL, how("drop", normalization))
    assert found[:4].tolist() == alone.tolist()
    assert found[4, 0] > found[3, 0] or normalization == "quantile"
    assert found[5].tolist() == [0, 1]


@pytest.mark.parametrize("missing", ["drop", "median", "mean", "constant", "model"])
@pytest.mark.parametrize("normalization", ["none", "standard", "robust", "quantile"])
def test_a_column_without_values_and_one_with_a_single_value_do_no_harm(missing: str, normalization: str) -> None:
    values = np.array([[NAN, 7.0, 1.0], [NAN, 7.0, 2.0], [NAN, 7.0, NAN], [5.0, NAN, 4.0]])
    fitted = np.array([True, True, True, False])
    chosen = how(missing, normalization)
    found = dense(filled(values, NOTHING, fitted, chosen), fitted, chosen)
    assert found.shape == (4, 6 if missing == "drop" else 3)
    assert np.isfinite(found).all()
    assert len(set(found[:3, 0].tolist())) == 1


@pytest.mark.parametrize("missing", ["drop", "median", "constant", "model"])
def test_no_columns_and_nobody_to_learn_from(missing: str) -> None:
    for normalization in ("none", "standard"):
        chosen = how(missing, normalization)
        assert dense(filled(NOTHING, NOTHING, ALL, chosen), ALL, chosen).shape == (4, 0)
        found = dense(filled(column(1, 2, NAN, 4), NOTHING, ~ALL, chosen), ~ALL, chosen)
        assert np.isfinite(found).all()


def test_a_number_that_no_model_can_hold_is_refused() -> None:
    with pytest.raises(FeatureError, match=r"must be below 3.4e\+38. Received: 1.0e\+300"):
        dense(column(1, 2, 3, 1e300), ALL, how())
    assert np.isfinite(dense(column(1, 2, 3, 1e300), ALL, how("drop", "quantile"))).all()


def test_the_first_component_is_where_the_fitted_items_differ() -> None:
    # Along (3, 4) they lie at -10, 0 and 10; the fourth would turn the axis.
    block = np.array([[-6, -8], [0, 0], [6, 8], [100, -100]], np.float32)
    fitted = np.array([True, True, True, False])
    found = reduced(block, fitted, 1)
    assert np.abs(found[:3].ravel()).tolist() == pytest.approx([10, 0, 10], abs=1e-5)
    assert found[3, 0] * np.sign(found[2, 0]) == pytest.approx(100 * 0.6 - 100 * 0.8, abs=1e-4)


def test_a_block_that_is_small_enough_stays_as_it_is() -> None:
    block = np.arange(8, dtype=np.float32).reshape(4, 2)
    for components in (0, 2, 5):
        assert reduced(block, ALL, components) is block
    assert reduced(np.zeros((4, 0), np.float32), ALL, 3).shape == (4, 0)
    assert reduced(np.eye(4, dtype=np.float32), np.array([True, True, False, False]), 3).shape == (4, 2)
