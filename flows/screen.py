"""What `make demo` shows people: three answers while it runs and one screen at the end.

What comes from data is shown as it is, never read as rich's markup: titles have brackets in them.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import params
from models.variants import CONTROL, Variants
from monitoring.verdict import Verdict
from promotion.gate import Check, Decision
from promotion.registry import CHAMPION, Registry
from tasks.contenders import Contenders, subject
from tasks.replay import Window

COLOURS = {"promoted": "green", "passed": "green", "fine": "green", "held": "yellow", "drift": "yellow"}
METRICS = ("ndcg_at_10", "recall_at_10", "coverage_at_10")
WIDTH = 110


def answers(console: Console, asked: dict[str, Any]) -> None:
    """Who was given what, by which version, how fast."""
    for who, answer in asked.items():
        titles = ", ".join(item["title"] for item in answer["items"])
        reason = f"  (fallback: {answer['fallback']})" if answer["fallback"] else ""
        console.print(
            Text.assemble((who, "bold"), f": {titles}", (f"{reason}  {answer['milliseconds']:.1f} ms", "dim"))
        )


def decided(console: Console, settings: params.Params, decision: Decision | None) -> None:
    """Quality, size and decision."""
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    paths = settings.paths
    contenders = Contenders.read(settings.models, variants=paths.variants, blend=paths.blend, rank=paths.rank)
    best = contenders.leader
    console.print(_quality(settings, subject(best, contenders.outcomes[best].chosen)))
    console.print(_compression(settings, contenders.outcomes))
    console.print(_decision(settings, decision))


def nothing_served(console: Console) -> None:
    """What it means that there is no champion."""
    console.print(
        "There is no champion: the gate promoted nothing, now or before, so nothing is packaged, served or watched. "
        "The checks above that did not pass say what is missing. More data, other models or settings, or other "
        "margins (section promote of params.yaml) may change that; then run make demo again."
    )


def watched(console: Console, settings: params.Params, windows: list[Window], verdict: Verdict) -> None:
    """Traffic, verdict, where to look and what to do next."""
    console.print(_traffic(windows, verdict))
    console.print(_next(settings))


def _quality(settings: params.Params, challenger: str) -> Table:
    table = Table(title="Quality on the test (temporal next-item, whole catalogue)", title_justify="left")
    table.add_column("model")
    for metric in METRICS:
        table.add_column(metric, justify="right")
    table.add_column(f"{settings.evaluate.confidence:.0%} interval of {METRICS[0]}", justify="right")
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    with (settings.paths.evaluation / "quality.csv").open() as file:
        for row in csv.DictReader(file):
            if row["slice"] == "all":
                spans = (float(row["value"]), float(row["low"]), float(row["high"]))
                found.setdefault(row["subject"], {})[row["metric"]] = spans
    for name in sorted(found, key=lambda name: -found[name][METRICS[0]][0]):
        _, low, high = found[name][METRICS[0]]
        style = "bold green" if name == challenger else None
        cells = [f"{found[name][metric][0]:.4f}" for metric in METRICS]
        table.add_row(Text(name), *cells, f"{low:.4f} to {high:.4f}", style=style)
    return table


def _compression(settings: params.Params, outcomes: Mapping[str, Variants]) -> Table:
    """Each variant of each model that has more than one; latency as it was when it was last decided."""
    table = Table(
        title="Compression (form on disk; change on validation; one query at a time; chosen ones in bold)",
        title_justify="left",
    )
    for name in ("variant", "bytes", "gzipped", "smaller", "change of ndcg_at_10 in %", "p50 ms", "p99 ms"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    measured = _decision_file(settings)["variants_latency"]
    for model, outcome in outcomes.items():
        if len(outcome.measured) == 1:
            continue
        table.add_section()
        if outcome.uncompressed_bytes != outcome.measured[0].size_bytes:
            table.add_row(Text(f"{model} uncompressed"), f"{outcome.uncompressed_bytes:,}", "", "1.0x")
        for variant in outcome.measured:
            name = subject(model, variant.name)
            times = [f"{measured[name][key]:.2f}" for key in ("p50_ms", "p99_ms")]
            table.add_row(
                Text(f"{name} (no choice)" if variant.name == CONTROL else name),
                f"{variant.size_bytes:,}",
                f"{variant.gzip_bytes:,}",
                f"{outcome.uncompressed_bytes / variant.size_bytes:.1f}x",
                f"{100 * variant.change:+.2f} [{100 * variant.change_low:+.2f}, {100 * variant.change_high:+.2f}]",
                *times,
                style="bold green" if variant.name == outcome.chosen else None,
            )
    return table


def _decision(settings: params.Params, decision: Decision | None) -> Panel:
    lines = [_check(check) for check in decision.checks] if decision else [Text("nothing was decided")]
    with Registry(settings.paths.registry, make=False) as book:
        crowned = [event for event in book.history() if event.alias == CHAMPION]
    if crowned:
        lines.append(Text(f"champion: {crowned[-1].digest[:12]} since {crowned[-1].time} ({crowned[-1].reason})"))
    return _judged("Decision", decision.result if decision else "dry run", lines)


def _check(check: Check) -> Text:
    return Text.assemble((f"{check.outcome:<12}", _colour(check.outcome)), f" {check.code}: {check.text}")


def _judged(what: str, result: str, lines: list[Text]) -> Panel:
    title = Text.assemble(f"{what}: ", (result, f"bold {_colour(result)}"))
    return Panel(Text("\n").join(lines), title=title, title_align="left")


def _colour(word: str) -> str:
    return COLOURS.get(word, "red")


def _traffic(windows: list[Window], verdict: Verdict) -> Panel:
    lines = [
        Text(
            f"{name}: {window.requests} requests, {window.hits / window.requests:.1%} hits in 10, {window.fallbacks} "
            f"fallbacks, p50 {window.p50_ms:.1f} ms, p99 {window.p99_ms:.1f} ms"
        )
        for name, window in zip(("reference window", "current window"), windows, strict=True)
    ]
    lines += [Text(f"{reason.code}: {reason.text}") for reason in verdict.reasons]
    return _judged("Drift", verdict.result, lines)


def _next(settings: params.Params) -> Panel:
    plots, reports = settings.paths.evaluation / "plots", settings.paths.reports
    return Panel(
        f"reports   {plots}/quality.png, {plots}/slices.png, {plots.parent}/pareto.html, {reports}/decision.json, "
        f"{reports}/drift.html\n"
        "next      dvc repro                    nothing to do until data, code or params.yaml change\n"
        "          make ui                      Prefect server, schedules and a worker on 127.0.0.1:4200\n"
        "          bentoml serve podium:latest --host 127.0.0.1\n"
        "          (after: source .venv/bin/activate)",
        title="Where to look, what to do next",
        title_align="left",
    )


def _decision_file(settings: params.Params) -> dict[str, Any]:
    path: Path = settings.paths.reports / "decision.json"
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return found
