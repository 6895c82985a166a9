"""A real Prefect server on loopback: schedules are made, and flows run by deployments leave what they should."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from flows import processes, ui
from tests.flows import project

SCHEDULE_SECONDS = 120
TUNING = """
import runpy, sys
import params
from tasks import steps
for step in ("ingest", "prepare", "split", "featurize"):
    steps.run(step, params.load())
for asked in ("--model nobody", "--model item-knn --trials 4 --sampler random --write"):
    sys.argv = ["flows.tuning", *asked.split()]
    try:
        runpy.run_module("flows.tuning", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        print("ended with", ended.code)
"""
"""`python -m flows.tuning`, twice in one process."""


@dataclass(frozen=True)
class Prefect:
    url: str
    environment: dict[str, str]

    def ask(self, path: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.url}/api{path}", json=body, timeout=30)
        return answer.raise_for_status().json()

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
    with processes.running(server, log=folder / "server.log", ready=f"{url}/api/health", environment=environment):
        yield Prefect(url, environment)


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


def test_drift_starts_the_training_deployment(prefect: Prefect) -> None:
    ui.register(prefect.environment)
    (automation,) = prefect.ask("/automations/filter")
    nightly = next(found for found in prefect.ask("/deployments/filter") if found["name"] == "nightly")
    assert automation["enabled"]
    assert automation["trigger"]["expect"] == ["podium.drift"]
    assert [action["deployment_id"] for action in automation["actions"]] == [nightly["id"]]


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


def test_the_training_flow_shows_what_it_did(prefect: Prefect, tmp_path: Path) -> None:
    small = project.make(tmp_path / "small")
    result = prefect.run(small, "from flows.training import training\nprint(training().result)").split()[-1]
    assert result in ("promoted", "held", "rejected")
    (run,) = prefect.ask("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["COMPLETED"]}}})
    tasks = prefect.ask("/task_runs/filter", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    names = [task["name"] for task in sorted(tasks, key=lambda task: str(task["start_time"]))]
    assert sorted(names[: len(project.STAGES)]) == sorted(project.STAGES)
    assert names[len(project.STAGES)] == "promote"
    assert {task["state_type"] for task in tasks} == {"COMPLETED"}
    keys = {artifact["key"] for artifact in prefect.ask("/artifacts/filter")}
    progress = {f"progress-{stage.replace('@', '-')}" for stage in project.STAGES}
    assert {"quality", "pareto", "pareto-page", "decision", *progress} <= keys
    assert ("bento" in keys) == (result == "promoted")
    before = (small / "dvc.lock").read_bytes()
    assert "Running stage" not in project.dvc(small, "repro")
    assert (small / "dvc.lock").read_bytes() == before


def test_monitoring_nothing_is_loud(prefect: Prefect, tmp_path: Path) -> None:
    small = project.make(tmp_path / "small")
    said = prefect.run(small, "from flows.monitoring import monitoring\nprint(monitoring().result)")
    assert said.split()[-1] == "cannot_tell"
    assert "cannot_tell" in (small / "artifacts/reports/drift.json").read_text()


def test_tuning_changes_the_values_it_was_asked_to_and_nothing_else(prefect: Prefect, tmp_path: Path) -> None:
    small = project.make(tmp_path / "small")
    said = project.run(small, "-c", TUNING, fails=False, **prefect.environment)
    assert re.findall(r"ended with (\d)", said) == ["1", "0"]
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
