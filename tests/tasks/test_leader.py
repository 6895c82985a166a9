"""Who challenges: the best on validation, and a second stage only where it gains on the model it stands upon."""

import msgspec
import pytest

from models.variants import PARENT, Upon, Variants
from tasks.contenders import leader
from tests.variants import variant


def outcome(name: str, ndcg: float, upon: Upon | None = None) -> Variants:
    found = msgspec.structs.replace(variant(PARENT), validation_ndcg_at_10=ndcg)
    return Variants(name, PARENT, 1, [found], upon)


def upon(model: str, low: float, high: float = 0.2) -> Upon:
    return Upon(model, 100, (low + high) / 2, low, high)


def led_by(*outcomes: Variants) -> str:
    return leader({found.model: found for found in outcomes})


ALONE = (outcome("blend", 0.30), outcome("ease", 0.25))


def test_the_best_leads_and_the_first_by_name_among_equals() -> None:
    assert led_by(*ALONE) == "blend"
    assert led_by(*ALONE, outcome("another", 0.30)) == "another"


@pytest.mark.parametrize(
    ("low", "expected"), [(0.001, "two-stage"), (0.0, "blend"), (-0.001, "blend"), (-0.3, "blend")]
)
def test_a_second_stage_leads_where_its_whole_interval_is_above_zero(low: float, expected: str) -> None:
    assert led_by(*ALONE, outcome("two-stage", 0.31, upon("blend", low))) == expected


def test_its_own_figure_is_of_other_queries_and_counts_nothing() -> None:
    assert led_by(*ALONE, outcome("two-stage", 0.99, upon("blend", -0.01))) == "blend"
    assert led_by(*ALONE, outcome("two-stage", 0.01, upon("blend", 0.01))) == "two-stage"


def test_a_gain_on_another_model_is_no_gain_on_the_leader() -> None:
    assert led_by(*ALONE, outcome("two-stage", 0.99, upon("ease", 0.1))) == "blend"


def test_of_several_the_surest_gain_leads() -> None:
    several = (outcome("one", 0.4, upon("blend", 0.01, 0.5)), outcome("other", 0.4, upon("blend", 0.02, 0.1)))
    assert led_by(*ALONE, *several) == "other"
