"""The published order survives, and the experiment is a set of parameters that load."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import params
from benchmarks import movielens_1m


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
    found = params.load(movielens_1m._parameters(tmp_path, movielens_1m.EXPERIMENT))
    usual = params.load()
    assert found.split.protocol == "leave-one-out"
    assert found.paths.features == tmp_path / "features"
    assert found.train.models["item-knn"] == usual.train.models["item-knn"]
    ours, theirs = found.train.models["transformer"], usual.train.models["transformer"]
    assert isinstance(ours, params.Sequence)
    assert isinstance(theirs, params.Sequence)
    assert (ours.embedding_dim, ours.blocks) == (128, theirs.blocks)
