"""The training flow: reproduce, decide, package. Prefect owns when and in which order; the work is in tasks/."""

from typing import Any

from prefect import flow, task

import params
from flows import artifacts, reproduce
from promotion.gate import Decision
from tasks import steps


@flow(name="training", description="Reproduce the pipeline, decide on the challenger, package the champion.")
def training(dry_run: bool = False) -> Decision | None:
    """Runs everything from raw data to a bento.

    Args:
        dry_run: only the reproducible part; nothing is decided.

    Returns:
        The gate's decision; None for a dry run.
    """
    settings = params.load()
    with reproduce.exclusive():
        for stage in reproduce.stages():
            task(name=stage, task_run_name=stage, retries=2 if stage == "ingest" else 0)(_stage)(stage)
    artifacts.quality(settings)
    if dry_run:
        return None
    summary = _effect("promote", settings)
    artifacts.decision(summary, settings)
    if summary.champion:
        artifacts.bento(_effect("package", settings))
    decision: Decision = summary.decision
    return decision


def _stage(stage: str) -> None:
    with artifacts.progress(stage) as progress:
        reproduce.reproduce(stage, progress)


def _effect(step: str, settings: params.Params) -> Any:  # noqa: ANN401  # each step has a summary of its own
    return task(name=step, task_run_name=step)(steps.function(step))(**steps.STEPS[step](settings))
