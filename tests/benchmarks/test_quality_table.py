from collections.abc import Iterator

import pytest

from benchmarks import quality_table
from benchmarks.results import Result

SAVING = "times smaller than the float SavedModel"


def row(dataset: str, subject: str, metric: str, value: float, unit: str = "1") -> Result:
    return Result("quality", dataset, "next", subject, metric, value, value - 0.01, value + 0.01, unit, "this")


def rows() -> Iterator[Result]:
    """A model that is better than another, both better than popularity, in two seeds, and a paper's model."""
    quality = {"podium/worse": 0.1, "podium/better": 0.2, "podium/better-chosen": 0.19, "peer/popularity": 0.05}
    for subject, value in quality.items():
        for metric in quality_table.COLUMNS:
            yield row("movielens-100k", subject, metric, value)
    for ours, others in {"worse": ("better", "popularity"), "better": ("worse", "popularity")}.items():
        for other in others:
            gain = quality[f"podium/{ours}"] - quality.get(f"podium/{other}", 0.05)
            for metric in (f"ndcg_at_10 - {other}", f"ndcg_at_10 - {other}, seed 7"):
                yield row("movielens-100k", f"podium/{ours}", metric, gain)
    for seed, variant in ((7, "int8"), (8, "tied-8")):
        yield row("movielens-100k", f"podium/better-chosen ({variant}), seed {seed}", SAVING, float(seed), "ratio")
        yield row("movielens-100k", "podium/better-chosen", f"ndcg_at_10 change from float, seed {seed}", -0.05)
    yield row("movielens-1m", "podium/transformer", "ndcg_at_10", 0.2)
    yield row("movielens-1m", "podium/transformer", "bytes", 1234567.0, "bytes")


@pytest.fixture
def tables() -> list[str]:
    """The first table, and from then on a caption and its table in turns."""
    return quality_table.tables(list(rows())).split("\n\n")


def test_models_stand_the_best_first_and_without_their_variants(tables: list[str]) -> None:
    first = [line.split(" | ")[0] for line in tables[0].splitlines()]
    assert first == ["| model", "| ---", "| podium/better", "| podium/worse", "| peer/popularity"]


def test_each_difference_stands_where_its_row_and_column_meet(tables: list[str]) -> None:
    assert tables[2].splitlines() == [
        "|  | better | worse | popularity |",
        "| --- | ---: | ---: | ---: |",
        "| better |  | +0.1000 [+0.0900, +0.1100] | +0.1500 [+0.1400, +0.1600] |",
        "| worse | -0.1000 [-0.1100, -0.0900] |  | +0.0500 [+0.0400, +0.0600] |",
    ]


def test_a_chosen_variant_has_a_value_for_each_seed(tables: list[str]) -> None:
    change = "-5.00% [-6.00%, -4.00%]"
    assert tables[4].splitlines()[-1] == f"| better | int8, tied-8 | 7.00, 8.00 | {change}, {change} |"


def test_what_a_subject_does_not_have_leaves_its_cell_empty(tables: list[str]) -> None:
    assert tables[6].splitlines()[-1] == "| podium/transformer | 0.2000 |  | 1,234,567 |  | 0.1900 to 0.2100 |"
