"""Peers as they are run, with one that is a few lines long; and the table that is made of them."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import attempt, exchange, peers_table, results, side_by_side
from benchmarks.attempt import Order, Peer, PeerError
from benchmarks.exchange import Lists
from benchmarks.results import Result
from evaluation.significance import Bootstrap
from tests.benchmarks.peers import LENGTH, fold

FOLD = fold()
PEER = Peer(environment=attempt.OWN, scripts=["popular.py"], epochs=2, every=1, patience=1, candidates=[{"sign": 1}])
ORDER = Order(settings={"sign": 1}, seed=7, epochs=2, every=1, patience=1, threads=1)
SCRIPT = """
import sys
sys.path.insert(0, {place!r})
import exam
run, asked = exam.start("most popular first, or last")
if run.settings["sign"] == 0:
    sys.exit("there is no such sign")
exam.answer(
    run, asked, lambda epochs: None,
    lambda: exam.Exam.rank(asked, lambda rows: run.settings["sign"] * asked.counts[None].repeat(len(rows), 0)),
    model_bytes=lambda: 8, libraries=["numpy"],
)
"""


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An exchange folder, and a folder of scripts with a peer of our own beside exam.py."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "exam.py").write_bytes((attempt.SCRIPTS / "exam.py").read_bytes())
    (scripts / "popular.py").write_text(SCRIPT.format(place=str(scripts)))
    monkeypatch.setattr(attempt, "SCRIPTS", scripts)
    exchange.write(tmp_path / "given", FOLD.known, FOLD.ask, FOLD.catalogue, LENGTH, protocol="temporal")
    return tmp_path / "given"


def asked(given: Path, order: Order = ORDER) -> Lists:
    return attempt.lists(PEER, order, given, FOLD.ask, FOLD.catalogue, length=LENGTH, cache=given.parent / "cache")


def test_a_peer_is_run_once_and_read_again(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = asked(given)
    assert first.fit.epochs >= 1
    monkeypatch.setattr("subprocess.run", lambda *_a, **_k: pytest.fail("was run again"))
    assert asked(given).lists.tolist() == first.lists.tolist()


def test_a_peer_that_fails_says_where_its_log_is(given: Path) -> None:
    with pytest.raises(PeerError, match=r"(?s)exit code 1, log in .*\.log:.*no such sign"):
        asked(given, msgspec.structs.replace(ORDER, settings={"sign": 0}))


@pytest.mark.parametrize("change", [{"seed": 8}, {"epochs": 3}, {"settings": {"sign": -1}}, {"threads": 2}])
def test_a_run_is_named_by_what_it_depends_on(given: Path, change: dict[str, Any]) -> None:
    before = attempt.key(PEER, ORDER, "data")
    assert attempt.key(PEER, ORDER, "data") == before
    assert attempt.key(PEER, msgspec.structs.replace(ORDER, **change), "data") != before
    assert attempt.key(PEER, ORDER, "other data") != before
    (attempt.SCRIPTS / "popular.py").write_text("another script")
    assert attempt.key(PEER, ORDER, "data") != before


def test_every_peer_has_its_scripts_and_its_lock() -> None:
    for name, peer in attempt.peers().items():
        assert peer.lock.exists(), name
        assert all((attempt.SCRIPTS / script).exists() for script in peer.scripts), name


def test_a_peers_figures_stand_beside_differences(given: Path) -> None:
    found = [asked(given), asked(given, msgspec.structs.replace(ORDER, settings={"sign": -1}))]
    bootstrap = Bootstrap(100, 0.9, 1)
    world: Any = SimpleNamespace(test=FOLD.ask)
    ours = {"two-tower": np.ones(len(FOLD.ask))}
    rows = list(side_by_side.rows("popular", found, world, ours, bootstrap, "the command"))
    by_name = {(row.subject, row.metric): row for row in rows}
    assert by_name["peer/popular", "model"].value == 8
    mean = by_name["peer/popular", "ndcg_at_10"].value
    difference = by_name["podium/two-tower", "ndcg_at_10 - popular"]
    assert difference.value == pytest.approx(1 - mean)
    assert difference.low <= difference.value <= difference.high


def test_runs_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(side_by_side.NoRunsError, match=r"Run: python -m benchmarks\.quality"):
        side_by_side.our_values([tmp_path / "7"])


def test_our_values_are_means_over_seeds(tmp_path: Path) -> None:
    for seed, value in (("7", 0.2), ("8", 0.4)):
        (tmp_path / seed / "evaluation").mkdir(parents=True)
        table = pa.table({"subject": ["blend", "blend", "other"], "ndcg_at_10": [value, 1.0, 0.0]})
        pq.write_table(table, tmp_path / seed / "evaluation/per_query.parquet")
    found = side_by_side.our_values([tmp_path / "7", tmp_path / "8"])
    assert {name: values.tolist() for name, values in found.items()} == {"blend": pytest.approx([0.3, 1.0])}


def result(subject: str, metric: str, value: float, benchmark: str = "quality") -> Result:
    return Result(
        benchmark, "movielens-100k", "temporal", subject, metric, value, value - 0.1, value + 0.1, "1", "some command"
    )


def test_results_take_the_place_of_those_of_their_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "quality.csv"
    results.merge(path, [result("podium/a", "m", 1.0), result("peer/b", "m", 2.0, "peers")])
    results.merge(path, [result("peer/c", "m", 3.0, "peers")])
    assert [row.subject for row in results.read(path)] == ["podium/a", "peer/c"]
    elsewhere = replace(result("podium/a", "m", 4.0), dataset="movielens-1m")
    results.merge(path, [elsewhere])
    assert [row.value for row in results.read(path)] == [1.0, 3.0, 4.0]


def test_the_table_is_in_order_of_quality(tmp_path: Path) -> None:
    rows = [
        result(subject, metric, value, benchmark)
        for subject, value, benchmark in (("podium/a", 0.3, "quality"), ("peer/b", 0.5, "peers"))
        for metric in peers_table.METRICS
    ]
    rows += [result("peer/b", "fit seconds", 12.0, "peers"), result("podium/a", "ndcg_at_10 - b", -0.2, "peers")]
    peers_table.draw(rows, tmp_path)
    text = (tmp_path / "peers.md").read_text()
    assert text.index("| peer/b |") < text.index("| podium/a |")
    assert "| podium/a - b | -0.2000 | -0.3000 to -0.1000 |" in text
    assert "| 12.0 |" in text
    assert (tmp_path / "peers.png").read_bytes()[:4] == b"\x89PNG"
