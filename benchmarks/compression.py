"""The whole compression tournament on MovieLens-100K: `python -m benchmarks.compression`.

Trains the sequence model once a seed, holds all contestants of benchmarks/experiments/compression.yaml against it as
the stage `compress` does, and measures each in the form in which it would be served: quality on the test with its
paired interval against the float model, what its lists have in common with the float model's, bytes, and in a process
of its own the time to load it, resident memory, latency of 1 and of 64 queries, and CPU seconds for 1,000 queries.
What training took is that of both fits. Writes docs/results/compression.csv, .md, .png and .html.

The stages before training have to be there (`dvc repro featurize`). Runs are kept under .cache until code, parameters
or data change, so that an interrupted one goes on where it was.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from tqdm import tqdm

import digest
import durable
import params
from benchmarks import experiments, runs
from benchmarks.results import FOLDER, Result, read, write
from dataset.world import World
from evaluation import lists, pareto
from evaluation.pareto import Point, Words
from evaluation.significance import Bootstrap, Interval
from models.variants import CONTROL, PARENT, Variants
from scoring import folder as form_folder
from tasks.evaluate import examination

COMMAND: Final = "python -m benchmarks.compression"
EXPERIMENT: Final = Path("benchmarks/experiments/compression.yaml")
MODEL: Final = "transformer"
LABELS: Final = ("compression", "movielens-100k", "temporal next-item")
STAGES: Final = ("train", "compress")
PRIMARY: Final = "ndcg_at_10"
CHANGE: Final = "change of ndcg_at_10 from float"
BATCHES: Final = (1, 64)
QUERIES: Final = 1000
WARM_UP: Final = 3


class Cost(msgspec.Struct):
    """What one form takes to serve."""

    load_ms: float
    resident_bytes: int
    """More than before it was loaded and asked for the first time."""
    p50_ms: dict[int, float]
    """By batch."""
    p99_ms: dict[int, float]
    cpu_seconds: float
    """Of QUERIES single queries: what energy is proportional to."""


def main(arguments: list[str]) -> int:
    """Runs the tournament for each seed and writes what came of it; with `--cost`, measures one form."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="7", help="separated by commas")
    parser.add_argument("--cost", type=Path, metavar="FOLDER", help="measure the form in FOLDER and print it as JSON")
    parser.add_argument("--draw", action="store_true", help="table and picture anew from compression.csv, and no more")
    given = parser.parse_args(arguments)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    if given.draw:
        show(read(FOLDER / "compression.csv"), seeds[0])
        return 0
    if given.cost:
        sys.stdout.buffer.write(msgspec.json.encode(cost(given.cost, params.load())))
        return 0
    plain = params.load()
    files = [digest.of_file(path) for path in (EXPERIMENT, Path("params.yaml"))]
    home = Path(".cache/compression") / runs.name(*files, digest.of_folder(plain.paths.features))
    file = experiments.written(EXPERIMENT, home, elsewhere=False)
    runs.run_stages(file, [home / str(seed) for seed in seeds], seeds, STAGES, label="compression")
    found = [result for seed in seeds for result in results(home / str(seed), params.load(file), seed)]
    write(FOLDER / "compression.csv", found)
    show(found, seeds[0])
    return 0


def show(found: list[Result], seed: int) -> None:
    """Writes table and picture of one seed."""
    durable.write_bytes(FOLDER / "compression.md", table(found, seed).encode())
    draw(found, seed, FOLDER / "compression.png", FOLDER / "compression.html")


def results(run: Path, settings: params.Params, seed: int) -> Iterator[Result]:
    """Every contestant of one run."""
    world, outcome = World.read(settings.paths.features), Variants.read(run / "variants" / MODEL)
    exam = examination(world, settings.evaluate)
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, seed)
    folders = {one.name: run / "variants" / MODEL / "final" / one.name for one in outcome.measured}
    rankings = {name: exam.take(form_folder.read(folder)[1]) for name, folder in folders.items()}
    values = {name: exam.per_query(ranking)[PRIMARY] for name, ranking in rankings.items()}
    whole, seconds = float(outcome.savedmodel_bytes), runs.summary(run, "compress", MODEL)["training_seconds"]
    yield _row(f"limit/float SavedModel and index, seed {seed}", "bytes", Interval(whole, whole, whole), "bytes")
    for one in tqdm(outcome.measured, desc="costs", unit="contestant"):
        name, subject = one.name, f"podium/{MODEL}-{one.name}, seed {seed}"
        yield _row(subject, PRIMARY, bootstrap.mean(values[name], world.test.user))
        yield _row(subject, CHANGE, bootstrap.relative(values[name], values[PARENT], world.test.user))
        if one.trained_on and name != CONTROL:
            found = bootstrap.relative(values[name], values[CONTROL], world.test.user)
            yield _row(subject, "change of ndcg_at_10 from control", found)
        for metric, value, unit in (
            ("top-10 overlap with float", lists.overlap(rankings[name].lists, rankings[PARENT].lists), "share"),
            ("bytes", float(one.size_bytes), "bytes"),
            ("gzip bytes", float(one.gzip_bytes), "bytes"),
            ("times smaller than the float SavedModel and index", whole / one.size_bytes, "ratio"),
            ("sparsity", one.sparsity, "share"),
            ("extra epochs", float(one.extra_epochs), "epochs"),
            ("extra examples", float(one.extra_examples), "windows"),
            ("training", seconds[name], "s"),
            ("chosen", float(name == outcome.chosen), "1"),
            *_costs(folders[name]),
        ):
            yield _row(subject, metric, Interval(value, value, value), unit)


def cost(folder: Path, settings: params.Params) -> Cost:
    """Loads a form and asks it."""
    world = World.read(settings.paths.features)
    asked = world.test[np.linspace(0, len(world.test) - 1, QUERIES).astype(np.int64)]
    before, start = runs.resident_bytes(), time.perf_counter()
    form = form_folder.read(folder)[1]
    form.scores(asked[:1])
    load_ms = (time.perf_counter() - start) * 1000
    resident = max(runs.resident_bytes() - before, 0)
    p50_ms, p99_ms, cpu_seconds = {}, {}, 0.0
    for batch in BATCHES:
        for row in range(WARM_UP):
            form.scores(asked[row : row + batch])
        taken, began = [], time.process_time()
        for row in range(0, QUERIES - batch + 1, batch):
            start = time.perf_counter()
            form.scores(asked[row : row + batch])
            taken.append((time.perf_counter() - start) * 1000)
        cpu_seconds = cpu_seconds or time.process_time() - began
        p50_ms[batch], p99_ms[batch] = (float(np.percentile(taken, percent)) for percent in (50, 99))
    return Cost(load_ms, resident, p50_ms, p99_ms, cpu_seconds)


def table(found: list[Result], seed: int) -> str:
    """Markdown: the contestants of one seed, the smallest first."""
    of = _by_contestant(found, seed)
    heads = ["contestant", "bytes", "times smaller", "ndcg_at_10", "change from float", "95% interval", "from control"]
    heads += ["top-10 overlap", "training s", "load ms", "resident MB", "p50 ms, 1", "p99 ms, 1", "p50 ms, 64"]
    heads += ["CPU s, 1,000"]
    lines = [_line(heads), _line(["---", *["---:"] * (len(heads) - 1)])]
    for name in sorted(of, key=lambda name: of[name]["bytes"].value):
        one = of[name]
        change, control = one[CHANGE], one.get("change of ndcg_at_10 from control")
        cells = [f"**{name}** (chosen)" if one["chosen"].value else name, f"{one['bytes'].value:,.0f}"]
        cells += [f"{one['times smaller than the float SavedModel and index'].value:.2f}", f"{one[PRIMARY].value:.4f}"]
        cells += [f"{change.value:+.2%}", f"{change.low:+.2%} to {change.high:+.2%}"]
        cells += [f"{control.value:+.2%} ({control.low:+.2%} to {control.high:+.2%})" if control else ""]
        cells += [f"{one['top-10 overlap with float'].value:.3f}", _seconds(one), f"{one['load'].value:.0f}"]
        cells += [f"{one['resident memory'].value / 1e6:.1f}", f"{one['p50 of 1 query'].value:.2f}"]
        cells += [f"{one['p99 of 1 query'].value:.2f}", f"{one['p50 of 64 queries'].value:.1f}"]
        cells += [f"{one['CPU seconds of 1,000 queries'].value:.2f}"]
        lines.append(_line(cells))
    head = f"# The compression tournament of the sequence model, MovieLens-100K, seed {seed}\n\nMade by `{COMMAND}`. "
    head += "Quality on the test; chosen on validation. Scoring alone, without the list and without HTTP.\n\n"
    return head + "\n".join(lines) + "\n"


def draw(found: list[Result], seed: int, png: Path, page: Path) -> None:
    """Bytes against NDCG@10, latency as colour, and the front of those that none is smaller and better than."""
    of = _by_contestant(found, seed)
    points = [
        Point(
            name=name,
            size_bytes=one["bytes"].value,
            quality=Interval(one[PRIMARY].value, one[PRIMARY].low, one[PRIMARY].high),
            colour=one["p50 of 1 query"].value,
            said={
                "change from float": f"{one[CHANGE].value:+.2%} ({one[CHANGE].low:+.2%} to {one[CHANGE].high:+.2%})",
                "top-10 overlap": f"{one['top-10 overlap with float'].value:.3f}",
                "training s": _seconds(one),
                "resident MB": f"{one['resident memory'].value / 1e6:.1f}",
                "CPU s, 1,000": f"{one['CPU seconds of 1,000 queries'].value:.2f}",
                "chosen": "yes" if one["chosen"].value else "",
            },
        )
        for name, one in of.items()
    ]
    words = Words(
        title=f"The compression tournament of the sequence model, MovieLens-100K, seed {seed}",
        quality="NDCG@10 of the test",
        colour="p50 of one query, ms",
    )
    pareto.write(png, page, points, words, reference=of[PARENT][PRIMARY].value)


def _seconds(one: Mapping[str, Result]) -> str:
    """What training took; nothing of what was not trained on."""
    return f"{one['training'].value:.0f}" if "training" in one and one["training"].value else ""


def _by_contestant(found: list[Result], seed: int) -> Mapping[str, dict[str, Result]]:
    of: dict[str, dict[str, Result]] = {}
    for one in found:
        name, _, of_seed = one.subject.removeprefix(f"podium/{MODEL}-").partition(", seed ")
        if of_seed == str(seed) and one.subject.startswith("podium/"):
            of.setdefault(name, {})[one.metric] = one
    return of


def _costs(folder: Path) -> Iterator[tuple[str, float, str]]:
    command = [sys.executable, "-m", "benchmarks.compression", "--cost", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found = msgspec.json.decode(done.stdout, type=Cost)
    yield "load", found.load_ms, "ms"
    yield "resident memory", float(found.resident_bytes), "bytes"
    for batch in BATCHES:
        queries = "query" if batch == 1 else "queries"
        yield f"p50 of {batch} {queries}", found.p50_ms[batch], "ms"
        yield f"p99 of {batch} {queries}", found.p99_ms[batch], "ms"
    yield "CPU seconds of 1,000 queries", found.cpu_seconds, "s"


def _row(subject: str, metric: str, interval: Interval, unit: str = "1") -> Result:
    value, low, high = float(interval.value), float(interval.low), float(interval.high)
    return Result(*LABELS, subject, metric, value, low, high, unit, COMMAND)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
