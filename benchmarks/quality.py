"""Quality and size on MovieLens-100K over three seeds: `python -m benchmarks.quality` writes docs/results/quality.csv.

Each seed trains, compresses and evaluates as the stages do, in a process of its own. A model's value is the mean over
its seeds; its interval is the bootstrap over users of each query's mean over seeds. Differences are paired, per seed
and for the mean. Everything was tuned on validation; the test is read once for each seed, by this command.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

import params
from benchmarks.results import FOLDER, Result, write
from dataset.world import World
from evaluation import report
from evaluation.metrics import Values
from evaluation.significance import Bootstrap, Interval
from models.variants import PARENT, Variants
from tasks.evaluate import BASELINES

SEEDS: Final = (7, 8, 9)
METRICS: Final = ("ndcg_at_10", "recall_at_10", "mrr_at_10", "ndcg_at_20", "recall_at_100")
PRIMARY: Final = "ndcg_at_10"
COMMAND: Final = "python -m benchmarks.quality"
LABELS: Final = ("quality", "movielens-100k", "temporal next-item")
PROGRAM: Final = """
import sys
from pathlib import Path
import msgspec, params
from tasks import steps
seed, folder = int(sys.argv[1]), Path(sys.argv[2])
loaded = params.load()
paths = {name: folder / name for name in ("model", "variants", "evaluation")}
settings = msgspec.structs.replace(loaded, seed=seed, paths=msgspec.structs.replace(loaded.paths, **paths))
steps.run(sys.argv[3], settings)
"""


def main() -> int:
    """Runs all seeds and writes the results."""
    settings = params.load()
    world = World.read(settings.paths.features)
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, settings.seed)
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / str(seed) for seed in SEEDS]
        for seed, run in tqdm(zip(SEEDS, runs, strict=True), total=len(SEEDS), desc="seeds", unit="seed"):
            for step in ("train", "compress", "evaluate"):
                subprocess.run([sys.executable, "-c", PROGRAM, str(seed), str(run), step], check=True)
        results = [*_quality(runs, world, bootstrap), *_sizes(runs)]
    write(FOLDER / "quality.csv", results)
    return 0


def _quality(runs: list[Path], world: World, bootstrap: Bootstrap) -> Iterator[Result]:
    users = world.test.user
    for metric in METRICS:
        tables = [pq.read_table(run / "evaluation/per_query.parquet", columns=["subject", metric]) for run in runs]
        chosen = [Variants.read(run / "variants").chosen for run in runs]
        subjects = {
            "podium/two-tower": [report.values(table, PARENT, metric) for table in tables],
            "podium/two-tower-chosen": [
                report.values(table, name, metric) for table, name in zip(tables, chosen, strict=True)
            ],
            **{f"peer/{name}": [report.values(table, name, metric) for table in tables] for name in BASELINES},
        }
        for subject, values in subjects.items():
            yield _row(subject, metric, bootstrap.mean(np.mean(values, axis=0), users))
        if metric == PRIMARY:
            yield from _differences(subjects, users, bootstrap)


def _differences(subjects: dict[str, list[Values]], users: np.ndarray, bootstrap: Bootstrap) -> Iterator[Result]:
    """The model against each baseline, and the chosen variant against its float parent."""
    float_model, chosen = subjects["podium/two-tower"], subjects["podium/two-tower-chosen"]
    for baseline in BASELINES:
        theirs = subjects[f"peer/{baseline}"]
        for seed, ours, other in zip(SEEDS, float_model, theirs, strict=True):
            interval = bootstrap.difference(ours, other, users)
            yield _row("podium/two-tower", f"{PRIMARY} - {baseline}, seed {seed}", interval)
        interval = bootstrap.difference(np.mean(float_model, axis=0), np.mean(theirs, axis=0), users)
        yield _row("podium/two-tower", f"{PRIMARY} - {baseline}", interval)
    for seed, ours, parent in zip(SEEDS, chosen, float_model, strict=True):
        interval = bootstrap.relative(ours, parent, users)
        yield _row("podium/two-tower-chosen", f"{PRIMARY} change from float, seed {seed}", interval)


def _sizes(runs: list[Path]) -> Iterator[Result]:
    for seed, run in zip(SEEDS, runs, strict=True):
        outcome = Variants.read(run / "variants")
        name = f"podium/two-tower-chosen ({outcome.chosen}), seed {seed}"
        for metric, value, unit in (
            ("bytes of float SavedModel and index", outcome.savedmodel_bytes, "bytes"),
            ("bytes", outcome.winner.size_bytes, "bytes"),
            ("times smaller than the float SavedModel", outcome.times_smaller, "ratio"),
        ):
            yield _row(name, metric, Interval(value, value, value), unit)


def _row(subject: str, metric: str, interval: Interval, unit: str = "1") -> Result:
    value, low, high = float(interval.value), float(interval.low), float(interval.high)
    return Result(*LABELS, subject, metric, value, low, high, unit, COMMAND)


if __name__ == "__main__":
    sys.exit(main())
