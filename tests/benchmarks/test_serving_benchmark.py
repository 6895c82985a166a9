"""The servers that Podium is compared with answer as they should, and rows are what was measured."""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks import bento_size, growth, runs, servers, serving, serving_table, soak
from benchmarks.load import Load
from benchmarks.servers import BARE, CONSTANT, LIMIT, NOTHING, SAVEDMODEL, STARLETTE, TENSORFLOW, TYPED, Endpoint
from benchmarks.serving import ANSWER, Turn, protocol
from benchmarks.traffic import Target
from dataset.query import ask
from flows.processes import StartError
from scoring import folder as form_folder
from serving import servable
from tests.serving import tiny

ROOT = Path(__file__).parents[2]
SAID = {"items": [{"item_id": "a", "title": "Title", "score": 0.5}], "fallback": None, "ignored": 0}
BODY = b'{"user_id":"ann","history":["item-3"],"k":3}'


@pytest.fixture(scope="module")
def tiny_servable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "servable"
    tiny.write(folder)
    return folder


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    path = tmp_path / "answer.json"
    path.write_bytes(msgspec.json.encode(SAID))
    return path


def asked(url: str, body: bytes) -> tuple[int, bytes]:
    target = Target.of(url)
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.request("POST", target.path, body, {"Content-Type": "application/json"})
    found = connection.getresponse()
    status, content = found.status, found.read()
    connection.close()
    return status, content


def test_starlette_sends_the_very_bytes_and_knows_its_worker(answer: Path, tmp_path: Path) -> None:
    endpoint = Endpoint(LIMIT, STARLETTE, environment={ANSWER: str(answer)})
    with servers.started(endpoint, tmp_path / "home", BODY) as running:
        assert running.first_answer == answer.read_bytes()
        assert asked(running.url, b"no json") == (200, answer.read_bytes())
        assert running.workers == [running.pid]
        assert running.resident_bytes() > 10e6
    with pytest.raises(FileNotFoundError):
        runs.resident_bytes(running.pid)


def test_bentoml_with_nothing_behind_it_sends_the_very_bytes(answer: Path, tmp_path: Path) -> None:
    endpoint = Endpoint(BARE, NOTHING, environment={ANSWER: str(answer)})
    with servers.started(endpoint, tmp_path / "home", BODY) as running:
        assert asked(running.url, b"no json" * 50_000) == (200, answer.read_bytes())
        assert len(running.workers) == 1


def test_the_typed_service_sends_the_same_answer_and_checks_types(answer: Path, tmp_path: Path) -> None:
    endpoint = Endpoint(TYPED, CONSTANT, environment={ANSWER: str(answer)})
    with servers.started(endpoint, tmp_path / "home", BODY) as running:
        assert json.loads(running.first_answer) == SAID
        assert asked(running.url, b'{"k":"many"}')[0] == 400
        assert len(running.workers) == 1
        assert running.workers != [running.pid]


def test_podium_answers_with_as_many_workers_as_are_wanted(tiny_servable: Path, tmp_path: Path) -> None:
    endpoint = servers.podium("podium/tiny", tiny_servable, tmp_path / "exposures", workers=2)
    with servers.started(endpoint, tmp_path / "home", BODY) as running:
        assert [item["item_id"] for item in json.loads(running.first_answer)["items"]] == ["item-4", "item-2", "item-5"]
        assert len(running.workers) == 2
    assert list((tmp_path / "exposures").rglob("*.jsonl"))


SAVE_PROGRAM = """
import sys
import tensorflow as tf
import tensorflow_recommenders as tfrs
import tf_keras as keras

history, context = keras.Input((5,), dtype=tf.int32, name="history"), keras.Input((4,), name="context")
newest = keras.layers.Lambda(lambda given: tf.one_hot(given[0][:, 0] + 1, 14) + 0 * given[1][:, :1])([history, context])
index = tfrs.layers.factorized_top_k.BruteForce(keras.Model({"history": history, "context": context}, newest), k=10)
index.index(tf.eye(14))
index({"history": tf.zeros((1, 5), tf.int32), "context": tf.zeros((1, 4))})
tf.saved_model.save(index, sys.argv[1])
"""


def test_the_saved_model_answers_with_what_the_model_wants(tiny_servable: Path, tmp_path: Path) -> None:
    """The tiny servable's tower once more, as a SavedModel: after item-i it wants item-(i+1)."""
    program = [sys.executable, "-c", SAVE_PROGRAM, str(tmp_path / "saved")]
    subprocess.run(program, check=True, capture_output=True, cwd=ROOT)
    places = {"PODIUM_SERVABLE": str(tiny_servable), "PODIUM_BENCHMARK_SAVEDMODEL": str(tmp_path / "saved")}
    with servers.started(Endpoint(SAVEDMODEL, TENSORFLOW, environment=places), tmp_path / "home", BODY) as running:
        assert first(running.first_answer) == {"item_id": "item-4", "title": "Title 4", "score": 1.0}
        # ann has taken item-1 last, and a stranger item-7.
        assert first(asked(running.url, b'{"user_id":"ann"}')[1])["item_id"] == "item-2"
        status, content = asked(running.url, b'{"history":["item-7","nonsense"],"k":4}')
        assert (status, first(content)["item_id"], len(json.loads(content)["items"])) == (200, "item-8", 4)
        assert asked(running.url, b"{}")[0] == 200


def first(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)["items"][0]
    return found


def test_a_server_that_ends_is_named_with_its_log(tmp_path: Path) -> None:
    endpoint = Endpoint(LIMIT, "benchmarks.endpoints.nothing:app")
    with (
        pytest.raises(StartError, match=r"it ended; .*\n.*Could not import"),
        servers.started(endpoint, tmp_path, BODY),
    ):
        pass


def a_load(per_second: float, p99_ms: float, errors: int = 0) -> Load:
    return Load(
        requests=100,
        errors={"status 429": errors} if errors else {},
        per_second=per_second,
        mean_ms=1,
        p50_ms=1,
        p90_ms=1,
        p99_ms=p99_ms,
        p999_ms=9,
        max_ms=9,
        late_p99_ms=0,
        cpu_share=0.2,
    )


def a_turn(subject: str, load: Load) -> Turn:
    return Turn(subject, 1, 2.0, 100e6, {8: load}, 1000, 120e6)


def test_ratios_are_of_the_same_round() -> None:
    """The machine slowed down to a half in the second of three rounds: 400 / 100, 200 / 50, 300 / 100."""
    ours = [a_turn("podium/m", a_load(rate, 4, errors=1)) for rate in (400, 200, 300)]
    theirs = [a_turn(TYPED, a_load(rate, 8)) for rate in (100, 50, 100)]
    found = {(one.subject, one.metric): one for one in serving.results([*ours, *theirs], "serving m", "command")}
    ratio = found["podium/m", f"requests per second / {TYPED}"]
    assert (ratio.value, ratio.low, ratio.high, ratio.protocol) == (4, 3, 4, "8 connections, 1 worker")
    assert found["podium/m", f"p99 / {TYPED}"].value == 0.5
    assert found["podium/m", "errors"].value == 1
    assert found["podium/m", "resident memory at the end"].value == 120e6
    assert ("podium/m", f"p99 / {LIMIT}") not in found


def test_the_table_holds_what_was_measured_and_what_is_asked() -> None:
    turns = [a_turn("podium/m", a_load(1400, 4)), a_turn(TYPED, a_load(200, 8))]
    text = serving_table.table(list(serving.results(turns, "serving m", "command")))
    assert "| 8 connections, 1 worker | podium/m | 1,400 | 1.00 | 4.00 | 9.00 | 0 | 0.20 |" in text
    assert f"| podium/m | requests per second / {TYPED} | 7.00 | at least 3 |" in text
    assert "| 1 worker | podium/m | first answer after start | 2.00 s | under 3 s |" in text


def test_the_short_table_has_each_server_and_what_podium_does_against_it() -> None:
    turns = [a_turn("podium/m", a_load(1400, 4)), *(a_turn(name, a_load(200, 8)) for name in serving_table.SERVERS)]
    lines = serving_table.loaded(list(serving.results(turns, "serving m", "command"))).splitlines()
    assert lines[2] == "| Podium | 1,400 | 4.00 | 2.00 | 120 |  |"
    assert lines[3:] == [f"| {said} | 200 | 8.00 | 2.00 | 120 | 7.00 |" for said in serving_table.SERVERS.values()]


def test_everything_asked_is_measured() -> None:
    """No bar waits for a row that nobody writes."""
    turns = [a_turn(name, a_load(9, 9)) for name in ("podium/m", LIMIT, TYPED, SAVEDMODEL)]
    memory = np.array([[0.0, 60, 120], [1e6, 1e6, 1e6]])
    samples = np.array([[0.0, 100], [0.001, 0.002]])
    soaks = [soak.Soak(a_load(9, 9), samples, memory, a_load(9, 3), 120, rate) for rate in (None, 5.0)]
    rows = [*serving.results(turns, "serving m", "c"), *bento_size.results(1, 2)]
    rows += [row for one in soaks for row in soak.results(one, "m", "c")]
    for start, metric in serving_table.ASKED:
        assert any(one.metric == metric and one.protocol.startswith(start) for one in rows), (start, metric)


@pytest.mark.parametrize(
    ("given", "expected"), [((1, 1), "1 connection, 1 worker"), ((8, 2), "8 connections, 2 workers")]
)
def test_protocols_are_english(given: tuple[int, int], expected: str) -> None:
    assert protocol(*given) == expected


def test_the_slope_of_memory_forgets_the_beginning() -> None:
    # 2 bytes a second from 100 s on; before that it jumps, as when a model is loaded.
    seconds = np.arange(500.0)
    resident = np.where(seconds < 100, 7e6 * seconds, 2 * seconds)
    assert soak.slope(np.array([seconds, resident])) == pytest.approx(120)


@pytest.mark.parametrize(("seconds", "expected"), [(300.0, (1, 3)), (100.0, (1, 2))])
def test_the_first_and_the_last_minute_or_half(seconds: float, expected: tuple[int, int]) -> None:
    begin = np.array([0, 49, 51, 99, 240, 299.0])
    latency = np.array([1, 1, 1, 2, 3, 3]) / 1000 if seconds == 300 else np.array([1, 1, 2, 2, 9, 9]) / 1000
    kept = begin < seconds
    assert soak.ends(np.array([begin, latency])[:, kept], seconds) == pytest.approx(expected)


def test_a_synthetic_servable_is_one_that_is_served(tmp_path: Path) -> None:
    shape = {
        "kind": "two-tower",
        "num_items": 9,
        "num_categories": 5,
        "categories_per_item": 2,
        "popularity_windows": 1,
        "history_length": 4,
        "embedding_dim": 8,
        "hidden_units": [6],
        "half_lives": [1.0, 2.0],
        "dropout": 0.1,
        "temperature": 0.1,
    }
    (tmp_path / "architecture.json").write_bytes(msgspec.json.encode(shape))
    program = "import sys; from pathlib import Path; from benchmarks import synthetic; f = Path(sys.argv[1]); "
    program += "synthetic.write(f / 'servable', 40, 7, f)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True, cwd=ROOT)
    found = servable.read(tmp_path / "servable")
    assert (int(found.catalogue.sum()), len(found.users)) == (40, 7)
    some = found.timelines.items[:3]
    scores = found.form.scores(ask(some, np.zeros(3, np.int64), 100))
    assert scores.shape == (1, 42)
    assert len(np.unique(scores)) > 20
    assert form_folder.read(tmp_path / "servable")[0].kind == "tied"


def test_growth_has_a_row_for_every_size() -> None:
    load = a_load(9, 9)
    cost = growth.Cost(2_000, 1_000, 1.5, 5e6, load, {0: load, 1_000: load})
    found = {(one.protocol, one.metric): one.value for one in growth.results([cost])}
    assert found["2,000 items, 1,000 users, history of 1,000 in the request", "p99"] == 9
    assert found["2,000 items, 1,000 users", "resident memory at start"] == 5e6
    assert found["2,000 items, 1,000 users", "errors"] == 0
