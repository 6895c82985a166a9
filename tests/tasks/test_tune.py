"""Tuning on a small shop: a trial is worth what the train step would say, and nothing but validation is looked at."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import digest
import params
from dataset.query import Queries
from dataset.world import World
from tasks import steps
from tasks.train import train
from tasks.tune import TuneError, tune
from tests.shop import settings, shop, write
from tuning.report import Tuned
from tuning.study import StudyError

ROOT = Path(__file__).parents[2]
PROJECT = params.load(ROOT / "params.yaml")
TOWER = {"embedding_dim": 16, "hidden_units": [16], "batch_size": 64, "learning_rate": 0.02}


def grid(**choices: list[Any]) -> dict[str, params.Domain]:
    return {name: params.Choices(values) for name, values in choices.items()}


SPACES = {
    "recency-ease": grid(l2=[50.0, 500.0], half_life=[2.0, 5.0]),
    "item-knn": grid(neighbours=[5, 20]),
    "two-tower": grid(learning_rate=[1.0e-9, 0.02, 1.0e30]),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The features of a shop."""
    folder = tmp_path_factory.mktemp("shop")
    names = ("inbox", "raw", "prepared", "split", "features")
    changed = settings(PROJECT)
    paths = msgspec.structs.replace(changed.paths, **{name: folder / name for name in names})
    write(paths.inbox, shop(seed=5, customers=100, products=60, orders=2000), suffix=".csv")
    for step in ("ingest", "prepare", "split", "featurize"):
        steps.run(step, msgspec.structs.replace(changed, paths=paths))
    return paths.features


def asked(model: str, **changed: Any) -> params.Tune:
    known = {"trials": 10, "sampler": "grid", "pruner": "none", "space": SPACES}
    return msgspec.structs.replace(PROJECT.tune, model=model, **known | changed)


def trained(**changed: Any) -> params.Train:
    tower = msgspec.structs.replace(PROJECT.train.models["two-tower"], **TOWER)
    return msgspec.structs.replace(
        PROJECT.train, epochs=5, threads=1, models=PROJECT.train.models | {"two-tower": tower} | changed
    )


def run(data: Path, tuning: Path, model: str, train_settings: params.Train | None = None, **changed: Any) -> Tuned:
    chosen, known = asked(model, **changed), train_settings or trained()
    return tune(features=data, tuning=tuning, settings=chosen, train_settings=known, seed=7)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_trial_is_worth_what_training_with_its_settings_says(data: Path, tmp_path: Path) -> None:
    tuned = run(data, tmp_path / "tuning", "recency-ease")
    assert (tuned.trials, tuned.pruned, tuned.failed, tuned.present) == (4, 0, 0, None)
    found = {(row["l2"], row["half_life"]): float(row["validation"]) for row in rows(tuned.folder)}
    assert len(found) == 4
    assert tuned.best == max(found.values()) > min(found.values())
    best = msgspec.structs.replace(PROJECT.train.models["recency-ease"], **tuned.values)
    again = trained(**{"recency-ease": best})
    summary = train(name="recency-ease", features=data, model=tmp_path / "model", settings=again, seed=7)
    assert summary.validation_ndcg_at_10 == tuned.best
    assert [row["validation"] for row in tuned.leaders] == sorted((round(v, 4) for v in found.values()), reverse=True)


def test_the_page_opens_without_a_network(data: Path, tmp_path: Path) -> None:
    folder = run(data, tmp_path, "recency-ease").folder
    page = (folder / "study.html").read_text()
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[^>]*>", page) == []
    for part in ("History", "Epoch by epoch", "Settings one by one", "Settings together", "Importances"):
        assert f"<h2>{part}</h2>" in page
    assert page.count("plotly.js v") == 1
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["best.yaml", "study.db", "study.html", "study.lock", "trials.csv"]
    )


def test_neither_the_test_nor_anything_else_is_read_or_written(data: Path, tmp_path: Path) -> None:
    """Another test, with other targets asked of other moments: the same trials, and the features as they were."""
    first = run(data, tmp_path / "first", "item-knn")
    other = Path(shutil.copytree(data, tmp_path / "other"))
    queries = World.read(data).test
    one = np.full(1, 3, np.int32)
    few = Queries(queries.timelines, queries.user[:1], queries.end[:1], queries.time[:1], one)
    few.write(other / "test.npz")
    before = digest.of_folder(other)
    second = run(other, tmp_path / "second", "item-knn")
    assert second.leaders == first.leaders
    assert digest.of_folder(other) == before != digest.of_folder(data)
    with pytest.raises(StudyError, match="Changed since: features"):
        run(other, tmp_path / "first", "item-knn")


def test_a_study_goes_on_with_the_same_question_alone(data: Path, tmp_path: Path) -> None:
    free: dict[str, Any] = {
        "space": {"item-knn": {"shrink": params.Range(low=1, high=90, log=True, step=0)}},
        "sampler": "random",
    }
    assert run(data, tmp_path, "item-knn", trials=2, **free).trials == 2
    assert run(data, tmp_path, "item-knn", trials=1, **free).trials == 3
    assert [row["trial"] for row in rows(tmp_path / "item-knn")] == ["0", "1", "2"]
    written = msgspec.structs.replace(PROJECT.train.models["item-knn"], shrink=33.0)
    same = trained(**{"item-knn": written})
    assert run(data, tmp_path, "item-knn", same, trials=1, **free).trials == 4, "what is searched may be written down"
    changed = msgspec.structs.replace(written, neighbours=7)
    with pytest.raises(StudyError, match=r"Changed since: train\.models\.item-knn\. Undo that"):
        run(data, tmp_path, "item-knn", trained(**{"item-knn": changed}), trials=1, **free)
    with pytest.raises(StudyError, match=r"Changed since: tune\.space\.item-knn"):
        run(data, tmp_path, "item-knn", space=SPACES)
    with pytest.raises(StudyError, match=r"Changed since: threads, seed"):
        run(data, tmp_path, "item-knn", msgspec.structs.replace(same, threads=2), trials=1, **free)


def test_what_cannot_be_tuned_is_told(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TuneError, match=r"one of tune\.space: recency-ease, .* Received: popularity"):
        run(data, tmp_path, "popularity")
    with pytest.raises(TuneError, match="Run `dvc repro featurize` first"):
        run(tmp_path / "nothing", tmp_path, "item-knn")


TOWERS = """
import sys
from pathlib import Path
from tests.tasks import test_tune as here
from tasks.train import train
data, folder = map(Path, sys.argv[1:])
here.run(data, folder / "tuning", "two-tower", pruner="median", startup_trials=1, warmup_epochs=3)
summary = train(name="two-tower", features=data, model=folder / "model", settings=here.trained(), seed=7)
print(summary.validation_ndcg_at_10)
"""


def test_a_tower_that_diverges_or_learns_nothing_is_recorded_and_the_other_is_as_trained(
    data: Path, tmp_path: Path
) -> None:
    """In a process of its own, whose TensorFlow has as many threads as it wants."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", TOWERS, str(data), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {row["learning_rate"]: row for row in rows(tmp_path / "tuning/two-tower")}
    assert {rate: (row["state"], row["epochs"]) for rate, row in found.items()} == {
        "0.02": ("complete", "5"),
        "1e-09": ("pruned", "4"),
        "1e+30": ("fail", ""),
    }
    assert re.search(r"^DivergedError: .* became NaN or infinite in epoch 1", found["1e+30"]["reason"])
    assert float(found["0.02"]["validation"]) == float(done.stdout.split()[-1])
