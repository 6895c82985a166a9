"""The monitoring flow: what was served lately against the time before, a verdict, and an event when it is not fine."""

from datetime import UTC, datetime, timedelta

from prefect import flow, task
from prefect.events import emit_event

import params
from flows import artifacts
from monitoring.verdict import Verdict
from tasks.monitor import monitor

DRIFT_EVENT = "podium.drift"
"""prefect.yaml starts the training flow when it sees this."""


@flow(name="monitoring", description="Compare what was served lately with what was served before.")
def monitoring(
    as_of: datetime | None = None, current_start: datetime | None = None, reference_start: datetime | None = None
) -> Verdict:
    """Judges the traffic of one window by the window before it.

    Args:
        as_of: end of the current window; now when absent.
        current_start: its start, and the end of the reference window; `monitor.window_days` earlier when absent.
        reference_start: start of the reference window; `monitor.window_days` earlier when absent.
    """
    settings = params.load()
    width = timedelta(days=settings.monitor.window_days)
    end = as_of or datetime.now(UTC)
    middle = current_start or end - width
    start = reference_start or middle - width
    verdict = task(name="monitor", task_run_name="monitor")(monitor)(
        exposures=settings.paths.exposures,
        reports=settings.paths.reports,
        reference=(start.timestamp(), middle.timestamp()),
        current=(middle.timestamp(), end.timestamp()),
        settings=settings.monitor,
        seed=settings.seed,
    )
    artifacts.verdict(verdict, settings)
    if verdict.result == "drift":
        reasons = [reason.code for reason in verdict.reasons]
        emit_event(DRIFT_EVENT, {"prefect.resource.id": "podium.endpoint"}, payload={"reasons": reasons})
    return verdict
