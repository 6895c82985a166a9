"""The monitoring flow: what was served lately against the time before, a verdict, and an event when it is not fine.

The event is `podium.drift` or `podium.cannot_tell`. prefect.yaml starts the training flow at the first; the second is
for people, because a log that cannot be read is not mended by another model.
"""

from datetime import UTC, datetime, timedelta

from prefect import flow, task
from prefect.events import emit_event

import params
from flows import artifacts
from monitoring.verdict import Verdict
from tasks.monitor import monitor


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
    if verdict.result != "fine":
        reasons = [reason.code for reason in verdict.reasons]
        resource = {"prefect.resource.id": "podium.endpoint"}
        emit_event(f"podium.{verdict.result}", resource, payload={"reasons": reasons})
    return verdict
