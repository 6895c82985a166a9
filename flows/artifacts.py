"""What the Prefect UI shows of a run: tables, links, a picture and progress."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

import msgspec
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

import params
from flows.reproduce import Progress
from monitoring.verdict import Verdict
from tuning.report import PAGE, Tuned

if TYPE_CHECKING:
    from tasks.package import PackageSummary
    from tasks.promote import PromoteSummary

STEP = 5
"""Per cent between two updates."""


@contextmanager
def progress(stage: str) -> Iterator[Progress]:
    """A progress artifact that goes to 100 when its stage has ended well."""
    key = re.sub("[^a-z0-9]", "-", f"progress-{stage}".lower())  # Prefect refuses other characters; models have them
    made = create_progress_artifact(0.0, key=key, description=f"Stage {stage}")
    artifact = cast(UUID, made)  # outside a coroutine it is no coroutine
    shown = 0

    def update(percent: int) -> None:
        nonlocal shown
        if abs(percent - shown) >= STEP:
            shown = percent
            update_progress_artifact(artifact, float(percent))

    yield update
    update_progress_artifact(artifact, 100.0)


def quality(settings: params.Params) -> None:
    """The models' and baselines' metrics on the test."""
    files = (settings.paths.evaluation / "metrics").glob("*.json")
    found: dict[str, dict[str, float]] = {path.stem: msgspec.json.decode(path.read_bytes()) for path in files}
    metric = settings.evaluate.primary_metric
    order = sorted(found, key=lambda subject: -found[subject][metric])
    table = [{"model": name} | {key: round(value, 4) for key, value in found[name].items()} for name in order]
    create_table_artifact(table, key="quality", description="Temporal next-item, test")
    _link("quality-plot", settings.paths.evaluation / "plots" / "quality.png", "Quality with intervals")
    _link("pareto-page", settings.paths.evaluation / "pareto.html", "Bytes against quality")
    picture = base64.b64encode((settings.paths.evaluation / "plots" / "pareto.png").read_bytes()).decode()
    create_image_artifact(f"data:image/png;base64,{picture}", key="pareto", description="Bytes against quality, test")


def decision(summary: "PromoteSummary", settings: params.Params) -> None:
    """The gate's checks."""
    decided = summary.decision
    rows = [{"check": check.code, "outcome": check.outcome, "evidence": check.text} for check in decided.checks]
    head = f"{decided.result}: {', '.join(decided.reasons)} (challenger {decided.challenger[:12]})"
    create_table_artifact(rows, key="decision", description=head)
    _link("decision-json", settings.paths.reports / "decision.json", "The decision with its evidence")


def bento(summary: "PackageSummary") -> None:
    """What can be served now."""
    command = f"bentoml serve {summary.bento} --host 127.0.0.1"
    text = f"`{summary.bento}` holds version `{summary.version[:12]}`\n\n    {command}"
    create_markdown_artifact(text, key="bento", description="The packaged champion")


def verdict(found: Verdict, settings: params.Params) -> None:
    """The drift verdict and its report."""
    lines = "\n".join(f"- `{reason.code}`: {reason.text}" for reason in found.reasons)
    create_markdown_artifact(f"# {found.result}\n\n{lines}", key="verdict", description="Drift verdict")
    _link("drift-report", settings.paths.reports / "drift.html", "Drift report")


def study(tuned: Tuned) -> None:
    """A study's best trials and its pictures."""
    rows = [{name: str(value) for name, value in row.items()} for row in tuned.leaders]
    head = f"{tuned.model}: best {tuned.best:.4f} on validation of {tuned.trials} trials"
    create_table_artifact(rows, key="tuning", description=head)
    _link("tuning-page", tuned.folder / PAGE, "The study in pictures")


def _link(key: str, path: Path, text: str) -> None:
    create_link_artifact(path.resolve().as_uri(), key=key, link_text=text, description=str(path))
