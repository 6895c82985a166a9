"""A real Prefect server on loopback: schedules are made, and flows run by deployments leave what they should."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from filelock import FileLock

from flows import processes, reproduce, ui
from promotion.registry import Registry
from tests.flows import project
from tests.monitoring.answers import DAY, records, write
from tests.serving import logged

SCHEDULE_SECONDS = 120
EVENT_SECONDS = 60
MONITORING = "from flows.monitoring import monitoring\nprint(monitoring().result)"
TUNING = """
import runpy, sys
import params
from tasks import steps
for step in ("ingest", "prepare", "split", "featurize"):
    steps.run(step, params.load())
for asked in ("--model nobody", "--trials -5", "--timeout 0", "--model item-knn --trials 4 --sampler random --write"):
    sys.argv = ["flows.tuning", *asked.split()]
    try:
        runpy.run_module("flows.tuning", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        print("ended with", ended.code)
"""
"""`python -m flows.tuning`, four times in one process."""
WAITS = """
import importlib, subprocess, sys
from contextlib import contextmanager
from flows import reproduce
from flows.training import training

ASKS = "from filelock import FileLock; FileLock('.cache/reproduce.lock', timeout=0).acquire()"
exclusive = reproduce.exclusive

@contextmanager
def told():
    print("waits", flush=True)
    with exclusive():
        yield

def asked(step):
    module = importlib.import_module(f"tasks.{step}")
    run = getattr(module, step)
    def after_asking(**arguments):
        taken = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True)
        print(step, "held" if "Timeout" in taken.stderr else f"free {taken}", flush=True)
        return run(**arguments)
    setattr(module, step, after_asking)

reproduce.exclusive = told
for step in ("promote", "package"):
    asked(step)
print("ended with", training().bento, flush=True)
"""
"""The training flow, which says when it waits for the folder, and whether it has it when it decides and packages."""
EVERYBODY_WINS = {
    "min_gain": -1.0,
    "max_compression_loss": 1.0,
    "max_coverage_drop": 1.0,
    "max_slice_drop": 1.0,
    "latency_p99_ms": 1000.0,
}


@dataclass(frozen=True)
class Prefect:
    url: str
    environment: dict[str, str]

    def ask(self, path: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.url}/api{path}", json=body, headers=self.pass_of("test"), timeout=30)
        return answer.raise_for_status().json()

    def pass_of(self, client: str) -> dict[str, str]:
        """The headers that let a client change something."""
        answer = httpx.get(f"{self.url}/api/csrf-token", params={"client": client}, timeout=30)
        return {"Prefect-Csrf-Token": answer.raise_for_status().json()["token"], "Prefect-Csrf-Client": client}

    def run(self, folder: Path, code: str) -> str:
        """Runs code in a project with this server as its API and gives what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=project.environment(folder, **self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    folder = tmp_path_factory.mktemp("prefect")
    port = processes.port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "BENTOML_HOME": str(folder / "bentoml"),
        "DO_NOT_TRACK": "1",
        "BENTOML_DO_NOT_TRACK": "True",
    }
    server = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    told = environment | ui.page(port)
    with processes.running(server, log=folder / "server.log", ready=f"{url}/api/health", environment=told):
        yield Prefect(url, environment)


@pytest.fixture(scope="module")
def trained(prefect: Prefect, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The small project after its first training flow, read only, and what that printed."""
    small = project.make(tmp_path_factory.mktemp("trained") / "small")
    project.change(small, "promote", **EVERYBODY_WINS)
    project.change(small, "evaluate", baselines=["popularity"])
    code = "from flows.training import training\nmade = training()\nprint(made.decision.result, made.bento)"
    return small, prefect.run(small, code)


@pytest.fixture
def copy(trained: tuple[Path, str], tmp_path: Path) -> Path:
    """The same, to be changed."""
    return project.copy(trained[0], tmp_path / "copy")


def test_a_page_of_another_origin_may_neither_read_nor_change(prefect: Prefect) -> None:
    port = prefect.url.rpartition(":")[2]
    asked = f"{prefect.url}/api/flow_runs/filter"
    allowed = {}
    for origin in ("https://evil.example", prefect.url, f"http://localhost:{port}"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        before = httpx.options(asked, headers=headers, timeout=30).headers
        after = httpx.get(f"{prefect.url}/api/health", headers={"Origin": origin}, timeout=30).headers
        allowed[origin] = [found.get("access-control-allow-origin") for found in (before, after)]
    evil, ours, local = allowed.items()
    assert evil[1] == [None, None]
    assert [ours[1], local[1]] == [[ours[0]] * 2, [local[0]] * 2]
    assert httpx.post(asked, json={}, timeout=30).status_code == httpx.codes.FORBIDDEN
    assert httpx.post(asked, json={}, headers=prefect.pass_of("page"), timeout=30).status_code == httpx.codes.OK


def test_the_page_itself_loads_and_is_told_to_ask_for_passes(prefect: Prefect) -> None:
    page = httpx.get(prefect.url, headers={"Accept": "text/html"}, follow_redirects=True, timeout=30)
    assert page.status_code == httpx.codes.OK
    assert "<script" in page.text
    told = httpx.get(f"{prefect.url}/ui-settings", timeout=30).json()
    assert (told["api_url"], told["csrf_enabled"]) == (f"{prefect.url}/api", True)


def test_deployments_get_scheduled_runs(prefect: Prefect) -> None:
    """With SQLAlchemy 2.1 the server looks healthy and never schedules anything."""
    ui.register(prefect.environment)
    deployments = {found["name"]: found for found in prefect.ask("/deployments/filter")}
    crons = {
        name: [schedule["schedule"]["cron"] for schedule in found["schedules"]] for name, found in deployments.items()
    }
    assert crons == {"nightly": ["0 3 * * *"], "hourly": ["7 * * * *"], "tune": []}
    deadline = time.monotonic() + SCHEDULE_SECONDS
    waiting = {found["id"] for found in deployments.values() if found["schedules"]}
    while waiting and time.monotonic() < deadline:
        runs = prefect.ask("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})
        waiting -= {run["deployment_id"] for run in runs}
        time.sleep(1)
    assert not waiting, f"no runs were scheduled in {SCHEDULE_SECONDS} s"


def test_every_verdict_but_fine_is_an_event_and_drift_alone_starts_training(prefect: Prefect, tmp_path: Path) -> None:
    ui.register(prefect.environment)
    small = project.make(tmp_path / "small")
    assert prefect.run(small, MONITORING).split()[-1] == "cannot_tell"
    for days, shift in ((10, 0.0), (3, 0.5)):
        start = time.time() - days * DAY
        name = f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d}-10-1.jsonl"
        write(small / "artifacts" / "exposures", name, records(400, seed=days, start=start, shift=shift))
    assert prefect.run(small, MONITORING).split()[-1] == "drift"
    assert "unusable" in _reasons(prefect, "podium.cannot_tell")
    assert "score_drift" in _reasons(prefect, "podium.drift")
    nightly = next(found["id"] for found in prefect.ask("/deployments/filter") if found["name"] == "nightly")
    assert len(_when_there(lambda: _started(prefect, nightly))) == 1


def _started(prefect: Prefect, deployment: str) -> list[Any]:
    """Its runs that no schedule made."""
    runs = prefect.ask("/flow_runs/filter", flow_runs={"deployment_id": {"any_": [deployment]}})
    return [run for run in runs if not run["auto_scheduled"]]


def _reasons(prefect: Prefect, event: str) -> list[str]:
    """Of the last event of that name."""
    asked = {"event": {"name": [event]}, "order": "DESC"}
    found = _when_there(lambda: prefect.ask("/events/filter", filter=asked)["events"])
    reasons: list[str] = found[0]["payload"]["reasons"]
    return reasons


def _when_there(look: Callable[[], list[Any]]) -> list[Any]:
    deadline = time.monotonic() + EVENT_SECONDS
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert found, f"nothing in {EVENT_SECONDS} s"
    return found


def test_every_deployment_can_be_loaded_from_the_project(prefect: Prefect, tmp_path: Path) -> None:
    """By path, flows/monitoring.py would hide the package `monitoring` from the flow in it."""
    code = (
        "import yaml\n"
        "from prefect.flows import load_flow_from_entrypoint\n"
        "for deployment in yaml.safe_load(open('prefect.yaml'))['deployments']:\n"
        "    print(load_flow_from_entrypoint(deployment['entrypoint'], use_placeholder_flow=False).name)\n"
    )
    small = project.make(tmp_path / "small")
    assert prefect.run(small, code).split() == ["training", "monitoring", "tuning"]


def test_the_training_flow_shows_what_it_did(prefect: Prefect, trained: tuple[Path, str]) -> None:
    small, said = trained
    result, bento = said.split()[-2:]
    assert result == "promoted"
    assert re.fullmatch("podium:[0-9a-f]{12}-1-[0-9a-f]{8}", bento)
    asked = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}, "flows": {"name": {"any_": ["training"]}}}
    run = prefect.ask("/flow_runs/filter", **asked, sort="START_TIME_ASC")[0]
    tasks = prefect.ask("/task_runs/filter", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    names = [task["name"] for task in sorted(tasks, key=lambda task: str(task["start_time"]))]
    assert sorted(names[: len(project.STAGES)]) == sorted(project.STAGES)
    assert names[len(project.STAGES) :] == ["promote", "package"]
    assert {task["state_type"] for task in tasks} == {"COMPLETED"}
    keys = {artifact["key"] for artifact in prefect.ask("/artifacts/filter")}
    progress = {f"progress-{stage.replace('@', '-')}" for stage in project.STAGES}
    assert {"quality", "pareto", "pareto-page", "decision", "bento", *progress} <= keys
    before = (small / "dvc.lock").read_bytes()
    assert "Running stage" not in project.dvc(small, "repro")
    assert (small / "dvc.lock").read_bytes() == before


def test_a_run_has_the_folder_from_its_settings_to_its_bento(copy: Path, prefect: Prefect) -> None:
    with FileLock(copy / reproduce.LOCK) as lock, project.start(copy, "-c", WAITS, **prefect.environment) as waiting:
        assert waiting.stdout is not None
        assert any(line == "waits\n" for line in waiting.stdout)
        project.change(copy, "promote", min_queries=10**6)
        lock.release()
        said = waiting.communicate()[0]
    assert waiting.returncode == 0, said
    assert re.findall("^(?:promote|package) .*", said, re.MULTILINE) == ["promote held", "package held"]
    assert "ended with podium:" in said
    decision = json.loads((copy / "artifacts/reports/decision.json").read_bytes())["decision"]
    assert "too_few_queries" in decision["reasons"], "settings of before the wait"


def test_the_demo_ends_well_where_nothing_was_ever_promoted(copy: Path) -> None:
    shutil.rmtree(copy / "artifacts/registry")
    project.change(copy, "promote", min_queries=10**6)
    said = project.run(copy, "-m", "flows.demo")
    assert "too_few_queries" in said
    assert "There is no champion" in said
    assert not (copy / "artifacts/reports/serve.log").exists()


def test_the_demo_serves_the_champion_though_the_challenger_is_held(copy: Path) -> None:
    said = project.run(copy, "-m", "flows.demo", PODIUM_SERVABLE="elsewhere")
    assert "same_version" in said
    assert "somebody of whom nothing is known: " in said
    with Registry(copy / "artifacts/registry", make=False) as book:
        champion = book.champion()
    assert champion is not None
    assert {record.version for record in logged.records(copy / "artifacts/exposures")} == {champion.digest}


def test_a_model_may_have_any_name(prefect: Prefect, trained: tuple[Path, str]) -> None:
    """Prefect's keys are of small letters, digits and dashes alone."""
    prefect.run(trained[0], "from flows import artifacts\nwith artifacts.progress('train@My_model'): pass")
    assert "progress-train-my-model" in {artifact["key"] for artifact in prefect.ask("/artifacts/filter")}


def test_monitoring_nothing_is_loud(prefect: Prefect, tmp_path: Path) -> None:
    small = project.make(tmp_path / "small")
    said = prefect.run(small, "from flows.monitoring import monitoring\nprint(monitoring().result)")
    assert said.split()[-1] == "cannot_tell"
    assert "cannot_tell" in (small / "artifacts/reports/drift.json").read_text()


def test_tuning_changes_the_values_it_was_asked_to_and_nothing_else(prefect: Prefect, tmp_path: Path) -> None:
    small = project.make(tmp_path / "small")
    said = project.run(small, "-c", TUNING, fails=False, **prefect.environment)
    assert re.findall(r"ended with (\d)", said) == ["1", "1", "1", "0"]
    assert "tuning stopped: trials: Expected `int` >= 1. Received: -5" in said
    assert "tuning stopped: timeout_seconds: Expected `int` >= 1. Received: 0" in said
    assert "tuning stopped: the model must be one of tune.space: two-tower" in said
    assert "Traceback" not in said
    best = yaml.safe_load((small / "artifacts/tuning/item-knn/best.yaml").read_text())
    values = best["train"]["models"]["item-knn"]
    assert set(values) == {"neighbours", "shrink"}
    assert f"shrink: {values['shrink']}" in said
    wanted = yaml.safe_load(project.git(small, "show", "HEAD:params.yaml"))
    wanted["train"]["models"]["item-knn"] |= values
    assert yaml.safe_load((small / "params.yaml").read_text()) == wanted
    assert project.git(small, "status", "--porcelain").split() in (["M", "params.yaml"], [])
    assert [path.name for path in (small / "artifacts").iterdir()] == ["tuning"]
    keys = {artifact["key"] for artifact in prefect.ask("/artifacts/filter")}
    assert {"tuning", "tuning-page"} <= keys
