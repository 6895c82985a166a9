from pathlib import Path

import numpy as np
import pytest

from benchmarks import curves, index, searches
from benchmarks.engines import ENGINES, OURS
from benchmarks.results import read, write
from benchmarks.searches import Point, Run
from benchmarks.vectors import DATA, alike

FAISS = "peer/faiss-hnsw-sq8"


@pytest.mark.parametrize("data", DATA)
def test_vectors_have_length_1_and_depend_on_the_seed_alone(data: str) -> None:
    items, queries = DATA[data](3000, 20, 64, 1)
    again, _ = DATA[data](3000, 20, 64, 1)
    other, _ = DATA[data](3000, 20, 64, 2)
    for vectors, count in ((items, 3000), (queries, 20)):
        assert vectors.shape == (count, 64)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(items, again)
    assert not np.array_equal(items, other)


def test_half_of_the_variance_is_in_eight_directions_unless_there_is_no_structure() -> None:
    for data, low, high in (("alike", 0.45, 0.65), ("isotropic", 0.1, 0.2)):
        items, _ = DATA[data](30_000, 1, 64, 1)
        values = np.linalg.eigvalsh(np.cov(items.T))[::-1]
        assert low < values[:8].sum() / values.sum() < high, data


def test_queries_lie_near_items_and_at_none() -> None:
    items, queries = alike(30_000, 200, 64, 1)
    best = (queries @ items.T).max(axis=1)
    assert 0.5 < np.median(best) < 0.9


@pytest.mark.parametrize("name", [OURS, FAISS])
def test_an_engine_is_made_and_asked_in_turns_with_numpy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "TURN_SECONDS", 0.001)
    assert searches.build(name, "alike", 2000, tmp_path) > 0
    run = searches.measure(name, "alike", 2000, tmp_path)
    assert [point.effort for point in run.points] == list(ENGINES[name].efforts)
    assert 0.9 < run.points[-1].recall <= 1
    assert run.points[0].recall <= run.points[-1].recall
    assert run.bytes > 2000 * 64
    for point in run.points:
        assert all(len(point.own[batch]) == len(point.exact[batch]) == searches.TURNS for batch in searches.BATCHES)


def test_the_exact_product_is_exact() -> None:
    items, queries = alike(2000, 30, 64, 1)
    assert searches.exact(queries, items).tolist() == np.argsort(-(queries @ items.T), axis=1)[:, :10].tolist()


def _run(recalls: list[float]) -> Run:
    points = [
        Point(effort, recall, {1: [20.0 / effort] * 3, 64: [30.0 / effort] * 3}, {1: [2.0, 4.0, 5.0], 64: [3.0] * 3})
        for effort, recall in enumerate(recalls, 1)
    ]
    return Run(points, 1.5, 1000, 2000)


def test_engines_are_compared_at_the_least_effort_that_finds_enough(tmp_path: Path) -> None:
    rows = list(index.results("alike", 2000, {OURS: _run([0.9, 0.98, 0.99]), FAISS: _run([0.5, 0.6])}))
    found = {(row.subject, row.metric, row.protocol): row for row in rows}
    assert found[OURS, "recall_at_10", "one thread"].value == 0.98
    assert found[FAISS, "recall_at_10", "one thread"].value == 0.6
    ratio = found[OURS, "times exact numpy", "one thread, 1 at a time"]
    assert (ratio.low, ratio.value, ratio.high) == (2.0, 2.5, 5.0)
    assert found[index.EXACT, "queries per second", "one thread, 1 at a time"].value == 4.0
    write(tmp_path / "index.csv", rows)
    assert len(read(tmp_path / "index.csv")) == len(rows)
    curves.draw(rows, tmp_path / "index.png")
    assert (tmp_path / "index.png").read_bytes()[:4] == b"\x89PNG"
