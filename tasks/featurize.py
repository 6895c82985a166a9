"""featurize: the prepared log as indices, timelines, queries and item features, each as of its moment."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq

import durable
import params
from dataset import asof
from dataset.asof import Built, Plan
from dataset.encoding import encode
from dataset.features import ItemFeatures, categories, year
from dataset.leakage import check_point_in_time
from dataset.schema import CATEGORIES, ITEM, TIMESTAMP, TITLE, USER, YEAR
from dataset.split import Cuts, part
from dataset.timelines import Log
from dataset.vocabulary import RESERVED, Vocabulary


@dataclass(frozen=True)
class FeaturizeSummary:
    """Sizes of what was built."""

    users: int
    items: int
    """Known items, the reserved two not counted."""
    categories: int
    snapshots: int
    queries: dict[str, int]
    """Part -> queries."""


def featurize(*, prepared: Path, split: Path, features: Path, settings: params.Featurize) -> FeaturizeSummary:
    """Builds everything a model or an evaluation reads, after checking that none of it knows the future.

    Raises:
        dataset.leakage.LeakError: a feature changes when the future is cut away.
        dataset.features.FeatureError: the settings ask for features that cannot be built.
    """
    plan = _plan(prepared, split, settings)
    log = plan.encoded.log
    built = asof.build(log, plan)
    check_point_in_time(
        lambda known: asof.views(built if known is log else asof.build(known, plan), plan),
        log,
        _moments(log, plan.cuts),
    )
    features.mkdir(parents=True, exist_ok=True)
    vocabulary, items = _item_features(prepared, plan, built)
    _write_meanings(features, plan, vocabulary, _item_rows(prepared, plan.encoded.items)[TITLE])
    items.write(features / "item_features.npz")
    asked = _write_queries(features, built, plan.cuts)
    return FeaturizeSummary(
        users=len(plan.encoded.users),
        items=len(plan.encoded.items) - len(RESERVED),
        categories=len(vocabulary) - len(RESERVED),
        snapshots=len(items.snapshot_times),
        queries=asked,
    )


def _plan(prepared: Path, split: Path, settings: params.Featurize) -> Plan:
    frozen = msgspec.json.decode((split / "split.json").read_bytes())
    cuts = Cuts(frozen["validation_start"], frozen["test_start"])
    table = pq.read_table(prepared / "interactions.parquet", columns=[USER, ITEM, TIMESTAMP])
    return Plan(
        encoded=encode(table, freeze=cuts.test_start, min_item_count=settings.min_item_count),
        cuts=cuts,
        history_length=settings.history_length,
        min_item_count=settings.min_item_count,
        windows_days=settings.popularity_windows_days,
        snapshot_days=settings.popularity_snapshot_days,
    )


def _moments(log: Log, cuts: Cuts) -> list[int]:
    """Where the leak guard cuts: both freezes and the middle of the test, all of them times of interactions."""
    test = log.time[log.time >= cuts.test_start]
    return sorted({cuts.validation_start, cuts.test_start, int(test[len(test) // 2])})


def _item_rows(prepared: Path, items: Vocabulary) -> dict[str, list[Any]]:
    """Title, categories and year of the known items, in index order without the reserved two."""
    table = pq.read_table(prepared / "items.parquet", columns=[ITEM, TITLE, CATEGORIES, YEAR])
    place = {name: row for row, name in enumerate(table[ITEM].to_pylist())}
    rows = table.take([place[name] for name in items.ids[len(RESERVED) :]])
    return {name: rows[name].to_pylist() for name in (TITLE, CATEGORIES, YEAR)}


def _item_features(prepared: Path, plan: Plan, built: Built) -> tuple[Vocabulary, ItemFeatures]:
    rows = _item_rows(prepared, plan.encoded.items)
    seen = Counter(name for names in rows[CATEGORIES] for name in names)
    vocabulary = Vocabulary.of(sorted(seen, key=lambda name: (-seen[name], name)))
    nothing: list[list[str]] = [[] for _ in RESERVED]
    return vocabulary, ItemFeatures(
        categories=categories(nothing + rows[CATEGORIES], vocabulary),
        year=year(np.array([None] * len(RESERVED) + rows[YEAR], np.float64)),
        popularity=built.popularity.values,
        snapshot_times=built.popularity.snapshot_times,
        count_train=built.count_train,
        count_fit=built.count_fit,
        first_seen=built.first_seen,
    )


def _write_meanings(features: Path, plan: Plan, vocabulary: Vocabulary, titles: list[str]) -> None:
    plan.encoded.items.write(features / "items.json")
    vocabulary.write(features / "categories.json")
    durable.write_json(features / "users.json", plan.encoded.users)
    durable.write_json(features / "titles.json", [""] * len(RESERVED) + titles)
    durable.write_json(features / "freeze.json", plan.cuts)
    durable.write_json(features / "shape.json", {"history_length": plan.history_length})


def _write_queries(features: Path, built: Built, cuts: Cuts) -> dict[str, int]:
    built.timelines.write(features / "timelines.npz")
    asked = {name: built.queries[rows] for name, rows in part(built.queries.time, cuts).items()}
    for name, queries in asked.items():
        queries.write(features / f"{name}.npz")
    return {name: len(queries) for name, queries in asked.items()}
