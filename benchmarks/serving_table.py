"""The serving benchmarks' table and picture: docs/results/serving.md and serving.png, from serving.csv."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

import durable
from benchmarks.markdown import head, line
from benchmarks.results import Result, read
from benchmarks.servers import BARE, LIMIT, SAVEDMODEL, TYPED

RATE: Final = "requests per second"
COLUMNS: Final = (RATE, "p50", "p99", "p99.9", "errors", "CPU share of the generator")
ASKED: Final = {
    ("8 connections, 1 worker", f"{RATE} / peer/bentoml-typed"): "at least 3",
    ("8 connections, 1 worker", f"{RATE} / peer/bentoml-savedmodel"): "at least 6",
    ("8 connections, 1 worker", f"{RATE} / limit/starlette"): "at least 0.3",
    ("8 connections, 1 worker", "p99 / limit/starlette"): "at most 8",
    ("1 worker", "first answer after start"): "under 3 s",
    ("1 worker", "resident memory at the end"): "under 260 MB after 100,000",
    ("serving dependencies", "environment on disk"): "under 400 MB",
    ("open loop", "errors"): "0",
    ("open loop", "memory growth"): "under 1 MB/min",
    ("open loop", "p99 of the last minute / p99 of the first"): "at most 1.2",
    ("closed loop", "errors"): "0",
    ("closed loop", "p99"): "under 10 ms",
    ("closed loop", "p99 / limit/starlette"): "at most 8",
}
"""(start of a protocol, metric) -> what the project asks of itself."""
LOADED: Final = "8 connections, 1 worker"
STARTED: Final = "1 worker"
SERVERS: Final = {
    TYPED: "BentoML's typed API at its defaults, a constant",
    SAVEDMODEL: "the same model as a SavedModel behind it",
    BARE: "BentoML with all switched off that can be, a constant",
    LIMIT: "bare Starlette, a constant",
}
"""Whom Podium is compared with, in words."""
HEAD: Final = """Latency in ms. Brackets: least and most of the rounds. `asked` is what the project asks of itself;
at 8 connections and one worker also a p99 under 10 ms."""
INK: Final = ("#1b6ca8", "#9aa5b1", "#5d6b78", "#c26a3d", "#8a5a9e")


def show(file: Path) -> None:
    """Writes both beside the results."""
    found = read(file)
    durable.write_bytes(file.with_suffix(".md"), table(found).encode())
    loads = [one for one in found if one.benchmark.startswith("serving ") and one.protocol.endswith("1 worker")]
    if loads:
        _draw(loads, file.with_suffix(".png"))


def table(found: Sequence[Result]) -> str:
    """Markdown of everything."""
    lines = ["# Serving", "", HEAD, ""]
    for benchmark in dict.fromkeys(one.benchmark for one in found):
        rows = [one for one in found if one.benchmark == benchmark]
        commands = " and ".join(f"`{command}`" for command in dict.fromkeys(one.command for one in rows))
        lines += [f"## {benchmark}", "", f"Made by {commands}.", "", *_loads(rows), *_others(rows)]
    return "\n".join(lines) + "\n"


def loaded(found: Sequence[Result]) -> str:
    """Every server at 8 connections beside the first model, and what Podium does against it."""
    benchmark, ours = next(
        (one.benchmark, one.subject) for one in found if one.protocol == LOADED and one.subject.startswith("podium/")
    )
    of = {(one.protocol, one.subject, one.metric): one for one in found if one.benchmark == benchmark}
    lines = head(
        "", "requests a second", "p99, ms", "first answer, s", "memory, MB", "Podium's requests a second, times"
    )
    for subject, said in {ours: "Podium", **SERVERS}.items():
        metrics = [(LOADED, RATE), (LOADED, "p99"), (STARTED, "first answer after start")]
        values = [of[protocol, subject, metric].value for protocol, metric in metrics]
        memory = of[STARTED, subject, "resident memory at the end"].value / 1e6
        ratio = of.get((LOADED, ours, f"{RATE} / {subject}"))
        lines.append(line(said, *map(_number, [*values, memory]), _cell(ratio) if ratio else ""))
    return "\n".join(lines)


def _loads(rows: Sequence[Result]) -> Iterator[str]:
    """A line for each server under each load."""
    of = {(one.protocol, one.subject, one.metric): one for one in rows}
    keys = [(protocol, subject) for protocol, subject, metric in of if metric == RATE]
    if keys:
        yield from head("load", "server", *COLUMNS, words=["server"])
        for protocol, subject in sorted(keys, key=lambda key: (_workers(key[0]), _connections(key[0]))):
            cells = [_cell(of[protocol, subject, metric]) for metric in COLUMNS]
            yield line(protocol, subject, *cells)
        yield ""


def _others(rows: Sequence[Result]) -> Iterator[str]:
    """Everything that is no column of the first table."""
    loaded = {(one.protocol, one.subject) for one in rows if one.metric == RATE}
    others = [one for one in rows if (one.protocol, one.subject) not in loaded or one.metric not in COLUMNS]
    if others:
        yield from head("what", "server", "metric", "value", "asked", words=["server", "metric", "asked"])
        for one in others:
            yield line(one.protocol, one.subject, one.metric, f"{_cell(one)}{_unit(one.unit)}", _asked(one))
        yield ""


def _asked(one: Result) -> str:
    ours = one.subject.startswith("podium/")
    matching = (
        said
        for (protocol, metric), said in ASKED.items()
        if ours and one.protocol.startswith(protocol) and one.metric == metric
    )
    return next(matching, "")


def _cell(one: Result) -> str:
    """Value, and least and most where they differ."""
    scale = 1e-6 if one.unit == "bytes" else 1
    value, low, high = (_number(number * scale) for number in (one.value, one.low, one.high))
    return value if low == high else f"{value} [{low}, {high}]"


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _unit(unit: str) -> str:
    return {"1": "", "ratio": "", "bytes": " MB"}.get(unit, f" {unit}")


def _connections(protocol: str) -> int:
    return int(protocol.partition(" ")[0])


def _workers(protocol: str) -> str:
    return protocol.rpartition(", ")[2]


def _draw(rows: Sequence[Result], path: Path) -> None:
    """Throughput and p99 by connections, one worker, on logarithmic scales; a line of panels for each model."""
    benchmarks = sorted({one.benchmark for one in rows})
    figure, panels = pyplot.subplots(len(benchmarks), 2, figsize=(11, 3.6 * len(benchmarks)), squeeze=False)
    for benchmark, pair in zip(benchmarks, panels, strict=True):
        for axes, metric, label in ((pair[0], RATE, "requests a second (log)"), (pair[1], "p99", "p99, ms (log)")):
            _panel(axes, [one for one in rows if (one.benchmark, one.metric) == (benchmark, metric)])
            axes.set_ylabel(label)
        pair[0].legend(fontsize=8, frameon=False, ncol=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _panel(axes: Axes, rows: Sequence[Result]) -> None:
    subjects = dict.fromkeys(one.subject for one in rows)
    for subject, colour in zip(subjects, INK, strict=False):
        ours = [one for one in rows if one.subject == subject]
        spread = [[one.value - one.low for one in ours], [one.high - one.value for one in ours]]
        x, y = [_connections(one.protocol) for one in ours], [one.value for one in ours]
        axes.errorbar(x, y, yerr=spread, marker="o", capsize=3, color=colour, label=subject)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sorted({_connections(one.protocol) for one in rows}))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xlabel("connections")
    axes.spines[["top", "right"]].set_visible(False)
