"""MovieLens-1M as the papers have it: `python -m benchmarks.movielens_1m FOLDER` adds to docs/results/quality.csv.

The last item of each user is the test, the one before it the validation, the whole catalogue is ranked without what the
user has taken. FOLDER holds the log in its exact published order, which decides a quarter of the test (who took several
items in one second): sequences.parquet (user, item, in each user's order), sequence_users.parquet and
sequence_items.parquet (original ids), interactions.parquet (timestamp_filled), items.parquet (title, genres).

What differs from params.yaml is a named experiment, benchmarks/experiments/movielens-1m.yaml. One seed takes hours on
two cores; what was interrupted goes on where it was, under .cache.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml

import digest
import params
from benchmarks import runs
from benchmarks.quality import METRICS
from benchmarks.results import FOLDER, Result, merge
from dataset.world import World
from evaluation import report
from evaluation.significance import Bootstrap
from models.variants import PARENT, Variants
from tasks import steps
from tasks.evaluate import subject

EXPERIMENT: Final = Path("benchmarks/experiments/movielens-1m.yaml")
CACHE: Final = Path(".cache/movielens-1m")
DATA_STAGES: Final = ("ingest", "prepare", "split", "featurize")
STAGES: Final = ("train", "compress", "evaluate")
COMMAND: Final = "python -m benchmarks.movielens_1m"
LABELS: Final = ("quality", "movielens-1m", "leave-one-out")


def main(arguments: list[str]) -> int:
    """Runs the experiment for each seed and adds its results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the log in its published order")
    parser.add_argument("--experiment", type=Path, default=EXPERIMENT, help="what differs from params.yaml")
    parser.add_argument("--seeds", default="7,8,9", help="separated by commas")
    given = parser.parse_args(arguments)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    home = CACHE / _name(given.folder, given.experiment)
    file = _parameters(home, given.experiment)
    settings = params.load(file)
    if not (settings.paths.inbox / "items.csv").exists():
        inbox(given.folder, settings.paths.inbox)
    if not (settings.paths.features / "shape.json").exists():
        for stage in DATA_STAGES:
            steps.run(stage, settings)
    folders = [home / str(seed) for seed in seeds]
    runs.run_stages(file, folders, seeds, STAGES, label="movielens-1m")
    merge(FOLDER / "quality.csv", list(results(folders, settings)))
    return 0


def inbox(folder: Path, place: Path) -> None:
    """The log as anybody's own log: interactions.csv and items.csv, in the published order.

    Moments are only known for part of the log, the rest is interpolated along the order; who has none at all gets the
    first moment of the log, so that file order alone decides.
    """
    log = pd.read_parquet(folder / "sequences.parquet")
    for name, key in (("user", "user_id"), ("item", "item_id")):
        ids = pd.read_parquet(folder / f"sequence_{name}s.parquet").set_index(name)[key]
        log[key] = log[name].map(ids)
    moments = pd.read_parquet(
        folder / "interactions.parquet", columns=["user_id", "item_id", "timestamp_filled"]
    ).rename(columns={"timestamp_filled": "timestamp"})
    log = log.merge(moments, on=["user_id", "item_id"], how="left", validate="one_to_one")
    filled = log.groupby("user")["timestamp"].transform(lambda times: times.ffill().bfill())
    log["timestamp"] = filled.fillna(filled.min()).astype("int64")
    items = pd.read_parquet(folder / "items.parquet")
    items = items[items["item_id"].isin(log["item_id"])].rename(columns={"genres": "categories"})
    parts = items["title"].str.extract(r"^(?P<title>.*?)\s*(?:\((?P<year>\d{4})\))?\s*$")
    items = items.assign(title=parts["title"], year=parts["year"])
    place.mkdir(parents=True, exist_ok=True)
    log[["user_id", "item_id", "timestamp"]].to_csv(place / "interactions.csv", index=False)
    items[["item_id", "title", "categories", "year"]].to_csv(place / "items.csv", index=False)


def results(folders: list[Path], settings: params.Params) -> Iterator[Result]:
    """Each model's float and chosen variant: the mean over seeds, and over users its interval."""
    users = World.read(settings.paths.features).test.user
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, settings.seed)
    for metric in METRICS:
        tables = [pq.read_table(one / "evaluation/per_query.parquet", columns=["subject", metric]) for one in folders]
        for model in settings.models:
            outcomes = [Variants.read(one / "variants" / model) for one in folders]
            labels = {f"podium/{model}": [PARENT] * len(folders)}
            if len(outcomes[0].measured) > 1:
                labels[f"podium/{model}-chosen"] = [outcome.chosen for outcome in outcomes]
            for label, names in labels.items():
                values = [
                    report.values(table, subject(model, name), metric)
                    for table, name in zip(tables, names, strict=True)
                ]
                span = bootstrap.mean(np.mean(values, axis=0), users)
                yield Result(*LABELS, label, metric, float(span.value), float(span.low), float(span.high), "1", COMMAND)


def _name(folder: Path, experiment: Path) -> str:
    """Digest of all that the runs depend on."""
    files = (experiment, Path("params.yaml"), folder / "sequences.parquet")
    return runs.name(*(digest.of_file(path) for path in files))


def _parameters(home: Path, experiment: Path) -> Path:
    """params.yaml with the experiment's values, and every path below `home`."""
    found = yaml.safe_load(Path("params.yaml").read_text())
    paths = {name: str(home / Path(path).name) for name, path in found["paths"].items()}
    _merge(found, {**yaml.safe_load(experiment.read_text()), "paths": paths})
    home.mkdir(parents=True, exist_ok=True)
    file = home / "params.yaml"
    file.write_bytes(msgspec.yaml.encode(found))
    return file


def _merge(whole: dict[str, Any], changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        if isinstance(value, dict) and isinstance(whole.get(name), dict):
            _merge(whole[name], value)
        else:
            whole[name] = value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
