"""What a real Prefect server makes of a verdict."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows import ui
from tests.flows import project
from tests.flows.test_prefect import Prefect, prefect  # noqa: F401  # a fixture
from tests.monitoring.answers import DAY, records, write

EVENT_SECONDS = 60
MONITORING = "from flows.monitoring import monitoring\nprint(monitoring().result)"


def test_every_verdict_but_fine_is_an_event_and_drift_alone_starts_training(
    prefect: Prefect,  # noqa: F811
    tmp_path: Path,
) -> None:
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


def _started(prefect: Prefect, deployment: str) -> list[Any]:  # noqa: F811
    """Its runs that no schedule made."""
    runs = prefect.ask("/flow_runs/filter", flow_runs={"deployment_id": {"any_": [deployment]}})
    return [run for run in runs if not run["auto_scheduled"]]


def _reasons(prefect: Prefect, event: str) -> list[str]:  # noqa: F811
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
