"""MovieLens-1M as the papers have it: `python -m benchmarks.movielens_1m FOLDER` adds to docs/results/quality.csv.

The last item of each user is the test, the one before it the validation, the whole catalogue is ranked without what the
user has taken. FOLDER holds the log in its exact published order, which decides a quarter of the test (who took several
items in one second): sequences.parquet (user, item, in each user's order), sequence_users.parquet and
sequence_items.parquet (original ids), interactions.parquet (timestamp_filled), items.parquet (title, genres).

What differs from params.yaml is a named experiment, benchmarks/experiments/movielens-1m.yaml. With the first seed the
model learns without the last two items until validation rises no more, which says how many epochs are best. Then it
learns all but the last item for so many epochs, once a seed, and takes the test: as trained, kept in fewer bytes, and
as the mean of all seeds. A fit takes long on two cores; those that ended are kept under .cache.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

import digest
import durable
import params
from benchmarks import experiments, runs
from benchmarks.quality import METRICS, PRIMARY
from benchmarks.results import FOLDER, Result, merge, span
from dataset.batches import CandidateFeatures
from dataset.world import Fold, World
from evaluation.metrics import Values
from evaluation.significance import Bootstrap, Interval
from scoring import folder as form_folder
from scoring.blend import Blend
from scoring.forms import Form
from tasks import fitting, steps
from tasks.evaluate import examination
from tasks.train import validation_ndcg

EXPERIMENT: Final = Path("benchmarks/experiments/movielens-1m.yaml")
CACHE: Final = Path(".cache/movielens-1m")
DATA_STAGES: Final = ("ingest", "prepare", "split", "featurize")
MODEL: Final = "transformer"
SEEDS: Final = "7,8,9"
SELECTED: Final = "selected.json"
COST: Final = "cost.json"
KEPT: Final = ("float32", "int8", "tied-8", "tied-7", "tied-6", "tied-4")
"""Ways to keep it, see `models.compression.storage`."""
COMMAND: Final = "python -m benchmarks.movielens_1m"
FILES: Final = tuple(
    f"{name}.parquet" for name in ("sequences", "sequence_users", "sequence_items", "interactions", "items")
)
LABELS: Final = ("quality", "movielens-1m", "leave-one-out")


class Selected(msgspec.Struct):
    """What validation chose."""

    epochs: int
    ndcg_at_10: float
    """On validation, after so many."""
    curve: list[float]
    """After each epoch that was tried."""
    hours: float


class Cost(msgspec.Struct):
    """What one fit took."""

    hours: float
    epochs: int
    savedmodel_bytes: int
    """With its index, as TFRS would serve it."""


def main(arguments: list[str]) -> int:
    """Selects the number of epochs, trains so many for each seed, and adds the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the log in its published order")
    parser.add_argument("--experiment", type=Path, default=EXPERIMENT, help="what differs from params.yaml")
    parser.add_argument("--seeds", default=SEEDS, help="separated by commas")
    parser.add_argument("--step", choices=STEPS, help="take one step with the first seed, in this process, and no more")
    given = parser.parse_args(arguments)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    home = CACHE / _name(given.folder, given.experiment)
    settings = _prepared(home, given.folder, given.experiment)
    if given.step:
        STEPS[given.step](settings, seeds[0], home)
        return 0
    done = {("select", seeds[0]): home / SELECTED} | {("fit", seed): home / str(seed) / COST for seed in seeds}
    for (step, seed), mark in done.items():
        if not mark.exists():
            again = [str(given.folder), "--experiment", str(given.experiment), "--seeds", str(seed), "--step", step]
            subprocess.run([sys.executable, "-m", "benchmarks.movielens_1m", *again], check=True)
    merge(FOLDER / "quality.csv", list(results([home / str(seed) for seed in seeds], settings)))
    return 0


def select(settings: params.Params, seed: int, home: Path) -> None:
    """Trains on all but each user's last two items until validation rises no more."""
    from models import device, stored

    world, curve, start = World.read(settings.paths.features), list[float](), time.monotonic()
    device.prepare(seed=seed, threads=settings.train.threads)
    then = CandidateFeatures.catalogue(world.selection_features, world.selection.freeze)

    def validate(model: Any) -> float:  # noqa: ANN401  # a Retriever, which needs TensorFlow
        curve.append(validation_ndcg(world, model.frozen(then)))
        sys.stdout.write(f"validation ndcg_at_10 {curve[-1]:.4f}\n")
        sys.stdout.flush()
        return curve[-1]

    model, best = _fitted("selection", world, world.selection, settings, seed, settings.train.epochs, validate)
    stored.write(model, home / str(seed) / "model" / MODEL / world.selection.name)
    hours = (time.monotonic() - start) / 3600
    durable.write_json(home / SELECTED, Selected(best.epochs, best.metric, curve, hours))


def fit(settings: params.Params, seed: int, home: Path) -> None:
    """Trains on all but each user's last item, for as many epochs as were selected."""
    from models import device, export, stored

    world, start, place = World.read(settings.paths.features), time.monotonic(), home / str(seed)
    device.prepare(seed=seed, threads=settings.train.threads)
    fold, epochs = world.final, _selected(home).epochs
    model, _ = _fitted(f"seed {seed}", world, fold, settings, seed, epochs, None)
    hours = (time.monotonic() - start) / 3600
    items = CandidateFeatures.catalogue(fold.features, fold.freeze)
    stored.write(model, place / "model" / MODEL / fold.name)
    whole = export.savedmodel_bytes(model, items, k=min(settings.evaluate.cutoffs))
    durable.write_json(place / COST, Cost(hours, epochs, whole))


STEPS: Final = {"select": select, "fit": fit}


def keep(settings: params.Params, place: Path) -> list[Path]:
    """Writes a fitted model as it may be served, in each way to keep it, and returns the folders."""
    from models import stored
    from models.compression.storage import STORAGES, Known

    world = World.read(settings.paths.features)
    fold, model = world.final, stored.read(place / "model" / MODEL / world.final.name)
    known = Known(CandidateFeatures.catalogue(fold.features, fold.freeze), fold.counts, fold.learn[:0])
    for name in KEPT:
        form = STORAGES[name].form(model, known)
        form_folder.write(place / name, form, model=MODEL, name=name, items=len(world.items), freeze=fold.freeze)
    return [place / name for name in KEPT]


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
    """Each way to keep it: the mean over seeds, its interval over users; and what the seeds' mean scores come to."""
    world = World.read(settings.paths.features)
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, settings.seed)
    costs = [msgspec.json.decode((folder / COST).read_bytes(), type=Cost) for folder in folders]
    kept = [keep(settings, folder) for folder in folders]
    floats: list[dict[str, Values]] = []
    for name, places in zip(KEPT, zip(*kept, strict=True), strict=True):
        label = f"podium/{MODEL}" if name == KEPT[0] else f"podium/{MODEL}-{name}"
        forms = [form_folder.read(place)[1] for place in places]
        values = [_per_query(form, world, settings) for form in forms]
        floats = floats or values
        yield from _rows(label, values, world, bootstrap)
        if values is not floats:
            ours, parents = (np.mean([one[PRIMARY] for one in found], axis=0) for found in (values, floats))
            change = bootstrap.relative(ours, parents, world.test.user)
            yield _row(label, f"{PRIMARY} change from float", change)
        sizes = [_bytes(place) for place in places]
        yield _row(label, "bytes", span(sizes), "bytes")
        times = [cost.savedmodel_bytes / size for cost, size in zip(costs, sizes, strict=True)]
        yield _row(label, "times smaller than the float SavedModel", span(times), "ratio")
        if len(forms) > 1:
            even = np.full((1, len(forms)), 1 / len(forms))
            together = _per_query(Blend(forms, [0], even), world, settings)
            yield from _rows(f"{label}, {len(forms)} seeds averaged", [together], world, bootstrap)
    yield _row(f"podium/{MODEL}", "hours of training, a seed", span([cost.hours for cost in costs]), "h")


def _fitted(
    label: str,
    world: World,
    fold: Fold,
    settings: params.Params,
    seed: int,
    epochs: int,
    validate: Callable[[Any], float] | None,
) -> tuple[Any, Any]:
    chosen = settings.train.models[MODEL]
    assert isinstance(chosen, params.Sequence)  # an experiment cannot change a model's family
    return fitting.neural(label, world, fold, chosen, settings.train, seed, epochs=epochs, validate=validate)


def _selected(home: Path) -> Selected:
    return msgspec.json.decode((home / SELECTED).read_bytes(), type=Selected)


def _per_query(form: Form, world: World, settings: params.Params) -> dict[str, Values]:
    exam = examination(world, settings.evaluate)
    return exam.per_query(exam.take(form))


def _rows(label: str, found: list[dict[str, Values]], world: World, bootstrap: Bootstrap) -> Iterator[Result]:
    for metric in METRICS:
        yield _row(label, metric, bootstrap.mean(np.mean([one[metric] for one in found], axis=0), world.test.user))


def _row(subject: str, metric: str, interval: Interval, unit: str = "1") -> Result:
    value, low, high = float(interval.value), float(interval.low), float(interval.high)
    return Result(*LABELS, subject, metric, value, low, high, unit, COMMAND)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.name != form_folder.MANIFEST)


def trained(folder: Path) -> tuple[params.Params, Path, int]:
    """Parameters, home and first seed of the experiment as it stands, which has trained both fits of that seed.

    Raises:
        SystemExit: it has not.
    """
    home, seed = CACHE / _name(folder, EXPERIMENT), int(SEEDS.split(",")[0])
    if not ((home / SELECTED).exists() and (home / str(seed) / COST).exists()):
        raise SystemExit(f"{home}: no trained models. Train them (hours): {COMMAND} {folder}")
    return _prepared(home, folder, EXPERIMENT), home, seed


def _prepared(home: Path, folder: Path, experiment: Path) -> params.Params:
    """The experiment's parameters, once its features are there."""
    settings = params.load(experiments.written(experiment, home))
    if not (settings.paths.inbox / "items.csv").exists():
        inbox(folder, settings.paths.inbox)
    if not (settings.paths.features / "shape.json").exists():
        for stage in DATA_STAGES:
            steps.run(stage, settings)
    return settings


def _name(folder: Path, experiment: Path) -> str:
    """Digest of all that the runs depend on.

    Raises:
        SystemExit: the log is not there.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise SystemExit(f"FOLDER must hold the log in its published order: no {', '.join(missing)} in {folder}")
    files = (experiment, Path("params.yaml"), Path(__file__), *(folder / name for name in FILES))
    return runs.name(*(digest.of_file(path) for path in files))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
