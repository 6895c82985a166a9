"""The published order survives, and the experiment is a set of parameters that load."""

import shutil
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pandas as pd
import pytest
import yaml

import params
from benchmarks import compression, experiments, movielens_1m
from benchmarks.results import read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two users; one took two items in a second, of the other no moment is known."""
    place = tmp_path / "published"
    place.mkdir()
    tables: dict[str, dict[str, list[Any]]] = {
        "sequences": {"user": [1, 1, 1, 2, 2], "item": [2, 1, 3, 3, 1]},
        "sequence_users": {"user": [1, 2], "user_id": [50, 60]},
        "sequence_items": {"item": [1, 2, 3], "item_id": [700, 800, 900]},
        "interactions": {
            "user_id": [50, 50, 50],
            "item_id": [700, 800, 900],
            "timestamp_filled": [1000, 1000, 2000],
        },
        "items": {
            "item_id": [900, 800, 700, 600],
            "title": ["Nine (1999)", "Eight, The (1988)", "Seven", "Nobody took it (1990)"],
            "genres": ["Drama", "Comedy|Drama", "War", "War"],
        },
    }
    for name, table in tables.items():
        pd.DataFrame(table).to_parquet(place / f"{name}.parquet")
    return place


def test_the_log_keeps_its_order_and_its_ids(folder: Path, tmp_path: Path) -> None:
    movielens_1m.inbox(folder, tmp_path / "inbox")
    log = pd.read_csv(tmp_path / "inbox/interactions.csv")
    assert log.to_numpy().tolist() == [
        [50, 800, 1000],
        [50, 700, 1000],
        [50, 900, 2000],
        [60, 900, 1000],
        [60, 700, 1000],
    ]


def test_a_title_gives_its_year_away(folder: Path, tmp_path: Path) -> None:
    movielens_1m.inbox(folder, tmp_path / "inbox")
    items = pd.read_csv(tmp_path / "inbox/items.csv", dtype=str, keep_default_na=False)
    assert items.to_numpy().tolist() == [
        ["900", "Nine", "Drama", "1999"],
        ["800", "Eight, The", "Comedy|Drama", "1988"],
        ["700", "Seven", "War", ""],
    ]


def test_the_experiment_changes_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    found = params.load(experiments.written(movielens_1m.EXPERIMENT, tmp_path))
    usual = params.load()
    assert found.split.protocol == "leave-one-out"
    assert found.paths.features == tmp_path / "features"
    assert found.train.models["item-knn"] == usual.train.models["item-knn"]
    ours, theirs = found.train.models["transformer"], usual.train.models["transformer"]
    assert isinstance(ours, params.Sequence)
    assert isinstance(theirs, params.Sequence)
    assert (ours.embedding_dim, ours.blocks) == (128, theirs.blocks)


def test_the_whole_tournament_is_in_its_experiment_and_the_data_stays_where_it_is(tmp_path: Path) -> None:
    found, usual = params.load(experiments.written(compression.EXPERIMENT, tmp_path, elsewhere=False)), params.load()
    assert found.paths == usual.paths
    assert set(found.compress.contestants) == set(get_args(params.Training))
    assert set(found.compress.contestants["untrained"]) == set(get_args(params.Storage))
    assert found.compress.sparsity == usual.compress.sparsity


def test_a_folder_without_the_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=rf"order: no sequences\.parquet, .* in {tmp_path}"):
        movielens_1m.main([str(tmp_path)])


def test_each_seed_takes_the_test_and_all_of_them_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command itself, on a circle of items that everybody walks along."""
    published(tmp_path / "published")
    small: dict[str, Any] = yaml.safe_load(movielens_1m.EXPERIMENT.read_text())
    small["featurize"]["history_length"] = 10
    small["train"] |= {"epochs": 2, "patience": 1}
    small["compress"]["contestants"] = {"untrained": ["float32"]}  # of so small a model all else saves too little
    small["train"]["models"]["transformer"] |= {"embedding_dim": 8, "stride": 10, "head_units": 4, "average": 0.0}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    shutil.copy("params.yaml", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(movielens_1m, "KEPT", ("float32", "tied-8"))
    monkeypatch.setattr(movielens_1m, "EXPERIMENT", Path("small.yaml"))
    given = ["published", "--experiment", "small.yaml", "--seeds", "7,8"]
    assert movielens_1m.main(given) == 0
    found = {(one.subject, one.metric): one for one in read(Path("docs/results/quality.csv"))}
    names = ["transformer", "transformer-tied-8"]
    subjects = {f"podium/{name}{how}" for name in names for how in ("", ", 2 seeds averaged")}
    assert {subject for subject, metric in found if metric == "ndcg_at_10"} == subjects
    for subject in subjects:
        value = found[subject, "recall_at_10"]
        assert 0 <= value.low <= value.value <= value.high <= 1
    assert found["podium/transformer-tied-8", "bytes"].value < found["podium/transformer", "bytes"].value
    assert found["podium/transformer-tied-8", "times smaller than the float SavedModel"].value > 1
    assert ("podium/transformer-tied-8", "ndcg_at_10 change from float") in found
    before = {path: path.stat().st_mtime_ns for path in Path(".cache").rglob("cost.json")}
    assert len(before) == 2
    movielens_1m.main(given)
    assert {path: path.stat().st_mtime_ns for path in Path(".cache").rglob("cost.json")} == before
    selected = [msgspec.json.decode(path.read_bytes()) for path in Path(".cache").rglob("selected.json")]
    assert [one["ndcg_at_10"] for one in selected] == [max(one["curve"]) for one in selected]
    costs = [msgspec.json.decode(path.read_bytes()) for path in before]
    assert {one["epochs"] for one in costs} == {one["epochs"] for one in selected}
    held_on_the_same_models()


def held_on_the_same_models() -> None:
    """The compression benchmark takes what has been trained, and trains no float model."""
    assert compression.main(["--published", "published"]) == 0
    rows = read(Path("docs/results/compression.csv"))
    of = {(one.subject.partition(", ")[0], one.metric): one.value for one in rows}
    assert {subject for subject, metric in of if metric == "bytes"} == {
        "limit/float SavedModel and index",
        "podium/transformer-float32",
    }
    assert {one.dataset for one in rows} == {"movielens-1m"}
    assert Path("docs/results/compression-1m.html").exists()


def published(folder: Path) -> None:
    """40 users, each of whom takes 8 of 20 items, one after the other along the circle."""
    folder.mkdir()
    users, items = np.repeat(np.arange(40), 8), (np.repeat(np.arange(40) * 7, 8) + np.tile(np.arange(8), 40)) % 20
    pd.DataFrame({"user": users, "item": items}).to_parquet(folder / "sequences.parquet")
    pd.DataFrame({"user": range(40), "user_id": range(1, 41)}).to_parquet(folder / "sequence_users.parquet")
    pd.DataFrame({"item": range(20), "item_id": range(1, 21)}).to_parquet(folder / "sequence_items.parquet")
    times = {"user_id": users + 1, "item_id": items + 1, "timestamp_filled": 1_000_000_000 + np.tile(np.arange(8), 40)}
    pd.DataFrame(times).to_parquet(folder / "interactions.parquet")
    titles = {"item_id": range(1, 21), "title": [f"No {item} (1999)" for item in range(1, 21)], "genres": "Drama"}
    pd.DataFrame(titles).to_parquet(folder / "items.parquet")
