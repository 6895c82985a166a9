"""The training flow: reproduce, decide, package. Prefect owns when and in which order; the work is in tasks/."""

from dataclasses import dataclass
from typing import Any

from prefect import flow, task

import params
from flows import artifacts, reproduce
from promotion.gate import Decision
from tasks import steps


@dataclass(frozen=True)
class Trained:
    """What a run came to."""

    decision: Decision | None
    """None for a dry run."""
    bento: str | None
    """The champion's tag in BentoML's store; None for a dry run and while nothing has been promoted."""


@flow(name="training", description="Reproduce the pipeline, decide on the challenger, package the champion.")
def training(dry_run: bool = False) -> Trained:
    """Runs everything from raw data to a bento; nobody else's run changes params.yaml, data or artifacts meanwhile.

    Args:
        dry_run: only the reproducible part; nothing is decided.
    """
    with reproduce.exclusive():
        settings = params.load()
        for stage in reproduce.stages():
            task(name=stage, task_run_name=stage, retries=2 if stage == "ingest" else 0)(_stage)(stage)
        artifacts.quality(settings)
        return Trained(None, None) if dry_run else _decide(settings)


def _decide(settings: params.Params) -> Trained:
    promoted = _effect("promote", settings)
    artifacts.decision(promoted, settings)
    if promoted.champion is None:
        return Trained(promoted.decision, None)
    packaged = _effect("package", settings)
    artifacts.bento(packaged)
    return Trained(promoted.decision, packaged.bento)


def _stage(stage: str) -> None:
    with artifacts.progress(stage) as progress:
        reproduce.reproduce(stage, progress)


def _effect(step: str, settings: params.Params) -> Any:  # noqa: ANN401  # each step has a summary of its own
    return task(name=step, task_run_name=step)(steps.function(step))(**steps.STEPS[step](settings))
