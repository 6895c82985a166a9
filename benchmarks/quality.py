"""Quality and size on MovieLens-100K over three seeds: `python -m benchmarks.quality` writes docs/results/quality.csv.

Each seed trains, compresses, blends, ranks and evaluates as the stages do, in processes of their own, and is kept under
.cache until code, parameters or data change, so that an interrupted run goes on where it was. A model's value
is the mean over its seeds; its interval is the bootstrap over users of each query's mean over seeds. Differences are
paired, per seed and for the mean. Everything was tuned on validation; the test is read once for each seed, by this
command. What `python -m benchmarks.side_by_side` found of the peers stays; how much our models differ from them goes,
for it is of other runs: that command, whose own runs are kept, finds it again.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

import digest
import params
from benchmarks import peers_table, runs
from benchmarks.results import FOLDER, Result, merge, read
from dataset.world import World
from evaluation import report
from evaluation.metrics import Values
from evaluation.significance import Bootstrap, Interval
from tasks.contenders import Contenders, subject

SEEDS: Final = (7, 8, 9)
METRICS: Final = ("ndcg_at_10", "recall_at_10", "mrr_at_10", "ndcg_at_20", "recall_at_100")
PRIMARY: Final = "ndcg_at_10"
COMMAND: Final = "python -m benchmarks.quality"
LABELS: Final = ("quality", "movielens-100k", "temporal next-item")
PEERS: Final = ("peers", "movielens-100k")
FILE: Final = Path("params.yaml")
STAGES: Final = ("train", "compress", "blend", "rank", "evaluate")


def main() -> int:
    """Runs all seeds and writes the results."""
    settings = params.load()
    world = World.read(settings.paths.features)
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, settings.seed)
    kept = folders(settings)
    runs.run_stages(FILE, kept, SEEDS, STAGES, label="quality")
    contenders = [_contenders(settings, run) for run in kept]
    results = [*_quality(kept, contenders, world, settings.evaluate.baselines, bootstrap), *_sizes(contenders)]
    file = FOLDER / "quality.csv"
    merge(file, [*results, *(row for row in _of_peers(file) if " - " not in row.metric)])
    peers_table.draw(read(file), FOLDER)
    return 0


def folders(settings: params.Params) -> list[Path]:
    """Where each seed's run is kept; named by the digest of all that it depends on."""
    name = runs.name(digest.of_file(FILE), digest.of_folder(settings.paths.features))
    return [Path(".cache/quality") / name / str(seed) for seed in SEEDS]


def _contenders(settings: params.Params, run: Path) -> Contenders:
    places = {name: run / name for name in ("variants", "blend", "rank")}
    return Contenders.read(settings.models, **places)


def _of_peers(file: Path) -> list[Result]:
    return [row for row in read(file) if (row.benchmark, row.dataset) == PEERS] if file.exists() else []


def _quality(
    folders: list[Path], contenders: list[Contenders], world: World, baselines: list[str], bootstrap: Bootstrap
) -> Iterator[Result]:
    users, outcomes = world.test.user, [one.outcomes for one in contenders]
    for metric in METRICS:
        tables = [pq.read_table(run / "evaluation/per_query.parquet", columns=["subject", metric]) for run in folders]
        floats = {name: [report.values(table, name, metric) for table in tables] for name in outcomes[0]}
        chosen = {
            name: [
                report.values(table, subject(name, found[name].chosen), metric)
                for table, found in zip(tables, outcomes, strict=True)
            ]
            for name in outcomes[0]
            if len(outcomes[0][name].measured) > 1
        }
        for name, values in floats.items():
            yield _row(_label(name, baselines), metric, bootstrap.mean(np.mean(values, axis=0), users))
        for name, values in chosen.items():
            yield _row(f"podium/{name}-chosen", metric, bootstrap.mean(np.mean(values, axis=0), users))
        if metric == PRIMARY:
            yield from _differences(floats, baselines, users, bootstrap)
            yield from _losses(floats, chosen, users, bootstrap)


def _label(name: str, baselines: list[str]) -> str:
    return f"peer/{name}" if name in baselines else f"podium/{name}"


def _differences(
    floats: dict[str, list[Values]], baselines: list[str], users: np.ndarray, bootstrap: Bootstrap
) -> Iterator[Result]:
    """Each model of ours minus every other model: for each seed, and of the means over the seeds."""
    for name in (name for name in floats if name not in baselines):
        for other in (other for other in floats if other != name):
            for seed, ours, theirs in zip(SEEDS, floats[name], floats[other], strict=True):
                found = bootstrap.difference(ours, theirs, users)
                yield _row(f"podium/{name}", f"{PRIMARY} - {other}, seed {seed}", found)
            found = bootstrap.difference(np.mean(floats[name], axis=0), np.mean(floats[other], axis=0), users)
            yield _row(f"podium/{name}", f"{PRIMARY} - {other}", found)


def _losses(
    floats: dict[str, list[Values]], chosen: dict[str, list[Values]], users: np.ndarray, bootstrap: Bootstrap
) -> Iterator[Result]:
    """What the chosen variant of each model loses against its float parent, relative, for each seed."""
    for name, values in chosen.items():
        for seed, ours, parent in zip(SEEDS, values, floats[name], strict=True):
            found = bootstrap.relative(ours, parent, users)
            yield _row(f"podium/{name}-chosen", f"{PRIMARY} change from float, seed {seed}", found)


def _sizes(contenders: list[Contenders]) -> Iterator[Result]:
    for seed, one in zip(SEEDS, contenders, strict=True):
        for name, outcome in one.outcomes.items():
            if len(outcome.measured) == 1:
                continue
            label = f"podium/{name}-chosen ({outcome.chosen}), seed {seed}"
            for metric, value, unit in (
                ("bytes uncompressed", outcome.uncompressed_bytes, "bytes"),
                ("bytes", outcome.winner.size_bytes, "bytes"),
                ("times smaller than uncompressed", outcome.times_smaller, "ratio"),
            ):
                yield _row(label, metric, Interval(value, value, value), unit)


def _row(subject: str, metric: str, interval: Interval, unit: str = "1") -> Result:
    value, low, high = float(interval.value), float(interval.low), float(interval.high)
    return Result(*LABELS, subject, metric, value, low, high, unit, COMMAND)


if __name__ == "__main__":
    sys.exit(main())
