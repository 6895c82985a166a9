from pathlib import Path

import pytest

import durable
from models.variants import CONTROL, PARENT, Variant, Variants, choose
from tests.variants import variant


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([], PARENT),
        ([variant("int8", 25)], "int8"),
        ([variant("int8", 25), variant("pruned-int8", 20)], "pruned-int8"),
        ([variant("int8", 25), variant("pruned-int8", 20, within=False)], "int8"),
        ([variant("int8", 25, within=False)], PARENT),
        ([variant(CONTROL, 1)], PARENT),
        ([variant("b", 25), variant("a", 25)], "a"),
        ([variant("int8", 20), variant("pruned-int8", 19, trained_on=True)], "int8"),
        ([variant("int8", 20), variant("pruned-int8", 18, trained_on=True)], "pruned-int8"),
        ([variant("int8", 20), variant("b", 18, trained_on=True), variant("a", 15, trained_on=True)], "a"),
        ([variant("int8", 20, within=False), variant("pruned", 95, trained_on=True)], PARENT),
        ([variant(CONTROL, 1, trained_on=True)], PARENT),
    ],
)
def test_the_smallest_within_the_margin_is_chosen(others: list[Variant], chosen: str) -> None:
    assert choose([variant(PARENT, 100), *others], min_saving=0.1) == chosen


def test_times_smaller_counts_from_the_savedmodel(tmp_path: Path) -> None:
    outcome = Variants(
        model="m", chosen="int8", uncompressed_bytes=120, measured=[variant(PARENT, 100), variant("int8", 25)]
    )
    durable.write_json(tmp_path / "variants.json", outcome)
    found = Variants.read(tmp_path)
    assert found == outcome
    assert found.winner.name == "int8"
    assert found.times_smaller == 4.8
