import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import durable
from evaluation import report
from evaluation.content import Content
from evaluation.measure import Exam
from evaluation.protocol import Ranking
from evaluation.significance import Bootstrap, Interval
from tests.evaluation.toys import MOMENT, questions, table

ROOT = Path(__file__).parents[2]
EXAM = Exam(
    queries=questions([[], [2], [3, 2]], [3, 5, 2, 2], users=[0, 1, 1, 0]),
    catalogue=np.array([False, False, True, True, True, True]),
    counts=np.array([0, 0, 8, 4, 2, 2]),
    cutoffs=(1, 2),
    head_share=0.5,
    cold_history=0,
    chunk_size=3,
)
BOOTSTRAP = Bootstrap(samples=200, confidence=0.9, seed=1)


def measured(exam: Exam, rankings: dict[str, Ranking]) -> report.Measured:
    return {name: exam.per_query(ranking) for name, ranking in rankings.items()}


@pytest.fixture(scope="module")
def rankings() -> dict[str, Ranking]:
    upwards = table([0, 0, 1, 2, 3, 4], [0, 0, 1, 2, 3, 4])
    downwards = table([0, 0, 4, 3, 2, 1], [0, 0, 4, 3, 2, 1])
    return {"upwards": EXAM.take(upwards), "downwards": EXAM.take(downwards)}


def test_the_per_query_table_comes_back_as_it_was(tmp_path: Path, rankings: dict[str, Ranking]) -> None:
    path = tmp_path / "deep" / "per_query.parquet"
    durable.write_parquet(path, report.per_query(EXAM, rankings, measured(EXAM, rankings)))
    table = pq.read_table(path)
    assert table.num_rows == 2 * 4
    assert table["subject"].to_pylist() == ["upwards"] * 4 + ["downwards"] * 4
    assert table["query"].to_pylist() == [0, 1, 2, 3] * 2
    assert table["user"].to_pylist() == [0, 1, 1, 0] * 2
    assert set(table["time"].to_pylist()) == {MOMENT}
    assert table["target"].to_pylist() == [3, 5, 2, 2] * 2
    # Item 2 is seen by user 1, so the third query's target cannot be found.
    assert table["rank"].to_pylist() == [3, 1, 0, 4, 2, 3, 0, 1]
    assert table["cold"].to_pylist() == [True, False, False, True] * 2
    for subject, ranking in rankings.items():
        for metric, values in EXAM.per_query(ranking).items():
            found = report.values(table, subject, metric)
            assert found.dtype == np.float64
            assert found.tolist() == values.tolist(), metric


def test_values_need_no_import_but_the_reports_own() -> None:
    """pyarrow loads its compute functions only when asked; pytest's own imports would hide that."""
    program = (
        "import pyarrow; from evaluation import report;"
        "table = pyarrow.table({'subject': ['a', 'b', 'a'], 'mrr_at_10': [0.5, 0.25, 1.0]});"
        "print(report.values(table, 'a', 'mrr_at_10').tolist())"
    )
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert answer.stdout.strip() == "[0.5, 1.0]"


def test_the_same_table_is_the_same_bytes(tmp_path: Path, rankings: dict[str, Ranking]) -> None:
    for name in ("one", "two"):
        durable.write_parquet(tmp_path / name, report.per_query(EXAM, rankings, measured(EXAM, rankings)))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_every_subject_slice_and_metric_has_an_interval(rankings: dict[str, Ranking]) -> None:
    rows = report.intervals(EXAM, rankings, measured(EXAM, rankings), BOOTSTRAP)
    found = {(subject, group, metric): (interval, count) for subject, group, metric, interval, count in rows}
    # No target is new, and a slice without queries has no mean.
    slices = ("all", "cold", "warm", "head", "tail")
    assert {group for _, group, _ in found} == set(slices)
    assert len(found) == len(rows) == 2 * (len(slices) * 2 * (8 + 2) + 2 * 3)
    interval, count = found["upwards", "all", "recall_at_1"]
    assert (interval.value, count) == (0.25, 4)
    assert interval == BOOTSTRAP.mean(np.array([0.0, 1, 0, 0]), np.array([0, 1, 1, 0]))
    assert found["upwards", "warm", "recall_at_1"][0].value == 0.5
    assert found["downwards", "cold", "mrr_at_2"] == (Interval(0.75, -np.inf, np.inf), 2)
    assert found["downwards", "all", "coverage_at_1"] == (Interval(0.5, 0.5, 0.5), 4)


CONTENT = Content(
    categories=np.array([[0], [0], [2], [2], [3], [0]], np.int32),
    category_names=("<padding>", "<oov>", "Drama", "Comedy"),
    first_seen=np.full(6, MOMENT - 10 * 86_400),
    recent=np.array([0, 0, 1, 2, 0, 0]),
)


def test_a_metric_is_a_mean_over_the_queries_that_have_it(rankings: dict[str, Ranking]) -> None:
    exam = replace(EXAM, content=CONTENT)
    rows = report.intervals(exam, rankings, measured(exam, rankings), BOOTSTRAP)
    found = {(subject, group, metric): (interval, count) for subject, group, metric, interval, count in rows}
    assert len(found) == len(rows)
    assert all(np.isfinite(interval.value) for interval, _ in found.values())
    values = exam.per_query(rankings["downwards"])
    told = ~np.isnan(values["miscalibration_at_2"])
    assert 0 < told.sum() < 4
    interval = BOOTSTRAP.mean(values["miscalibration_at_2"][told], exam.queries.user[told])
    assert found["downwards", "all", "miscalibration_at_2"] == (interval, told.sum())
    # Without a history there is no taste: the slice has the other metrics and not this one.
    assert ("downwards", "history:0", "ndcg_at_2") in found
    assert ("downwards", "history:0", "miscalibration_at_2") not in found
    # A slice in which nobody is has no rows at all.
    assert exam.fine_slices()["age:365+"].sum() == 0
    assert not any(group == "age:365+" for _, group, _ in found)
    # What was there without content is there as it was.
    plain = report.intervals(EXAM, rankings, measured(EXAM, rankings), BOOTSTRAP)
    assert {row[:3]: row[3:] for row in plain}.items() <= {row[:3]: row[3:] for row in rows}.items()


def test_the_per_query_table_stays_one_row_a_query(tmp_path: Path, rankings: dict[str, Ranking]) -> None:
    exam = replace(EXAM, content=CONTENT)
    durable.write_parquet(tmp_path / "one", report.per_query(exam, rankings, measured(exam, rankings)))
    table = pq.read_table(tmp_path / "one")
    assert table.num_rows == 2 * 4
    assert table["category:Drama"].to_pylist() == [True, False, True, True] * 2
    back = report.values(table, "downwards", "miscalibration_at_2")
    np.testing.assert_array_equal(back, exam.per_query(rankings["downwards"])["miscalibration_at_2"])


def test_no_queries_leave_an_empty_table(rankings: dict[str, Ranking]) -> None:
    exam = replace(EXAM, queries=EXAM.queries[:0], content=CONTENT)
    ranking = {"upwards": Ranking(rankings["upwards"].rank[:0], rankings["upwards"].lists[:0])}
    assert {metric for _, _, metric, _, _ in report.intervals(exam, ranking, measured(exam, ranking), BOOTSTRAP)} == {
        "coverage_at_1",
        "coverage_at_2",
    }
    assert report.per_query(exam, ranking, measured(exam, ranking)).num_rows == 0


def test_the_csv_has_one_line_a_row(tmp_path: Path) -> None:
    rows = [
        ("model", "all", "ndcg_at_10", Interval(0.125, 0.1, 0.15), 40),
        ("item-knn", "cold", "recall_at_10", Interval(0.5, -np.inf, np.inf), 1),
    ]
    report.write_table(tmp_path / "quality.csv", rows)
    with (tmp_path / "quality.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines == [
        ["subject", "slice", "metric", "value", "low", "high", "queries"],
        ["model", "all", "ndcg_at_10", "0.125", "0.1", "0.15", "40"],
        ["item-knn", "cold", "recall_at_10", "0.5", "-inf", "inf", "1"],
    ]


def test_the_headline_is_one_cutoff_of_all_queries() -> None:
    rows = [
        ("model", "all", "ndcg_at_10", Interval(1 / 3, 0.1, 0.5), 40),
        ("model", "cold", "ndcg_at_10", Interval(0.9, 0.1, 1.0), 4),
        ("model", "all", "hit_rate_at_10", Interval(0.7, 0.1, 1.0), 40),
        ("model", "all", "ndcg_at_100", Interval(0.8, 0.1, 1.0), 40),
        ("item-knn", "all", "coverage_at_10", Interval(0.5, 0.5, 0.5), 40),
    ]
    assert report.headline(rows, 10) == {"model": {"ndcg_at_10": 0.333333}, "item-knn": {"coverage_at_10": 0.5}}
