"""featurize: the prepared log as indices, timelines, queries and item features, each as of its moment.

In the leave-one-out protocol what is counted over users differs for validation and test: `selection_features.npz` is
what is known of items before validation, and `known.npz` how much of each timeline is known before either.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq

import durable
import params
from dataset import asfold, asof
from dataset.asof import Plan
from dataset.encoding import encode
from dataset.features import ItemFeatures, Popularity
from dataset.item_content import ItemContent, Recipe, of_items
from dataset.leakage import Parts, check_held_out, check_point_in_time
from dataset.query import Longs, Queries, Timelines
from dataset.ratings import Ratings
from dataset.schema import ITEM, TIMESTAMP, USER, WEIGHT
from dataset.split import PARTS, TEST, VALIDATION, Cuts, Protocol, by_time
from dataset.timelines import Log
from dataset.treatments import Mask, Treatment
from dataset.vocabulary import RESERVED


@dataclass(frozen=True)
class FeaturizeSummary:
    """Sizes of what was built."""

    users: int
    items: int
    """Known items, the reserved two not counted."""
    categories: int
    dense: int
    """Width of the dense features of items: numbers and texts."""
    snapshots: int
    queries: dict[str, int]
    """Part -> queries."""


@dataclass(frozen=True)
class _Split:
    """What the stage before has decided."""

    protocol: Protocol
    cuts: Cuts
    parts: Parts
    """[interactions]"""


@dataclass(frozen=True)
class _Counted:
    """What interactions tell of items, as it may be known when a part is asked."""

    popularity: Popularity
    first_seen: Longs


@dataclass(frozen=True)
class _Made:
    """All that depends on interactions, whatever the protocol."""

    timelines: Timelines
    queries: Queries
    part: Parts
    """[queries]"""
    count_train: Longs
    count_fit: Longs
    final: _Counted
    selection: _Counted | None
    """Where it is not what is known for the final fit as well, read at an earlier moment."""
    known: dict[str, Longs] | None
    """Part -> how much of each timeline is known; None when that follows from a moment."""


def featurize(*, prepared: Path, split: Path, features: Path, settings: params.Featurize) -> FeaturizeSummary:
    """Builds everything a model or an evaluation reads, after checking that none of it knows the future.

    Raises:
        dataset.leakage.LeakError: a feature changes when the future, or what is held out, is cut away.
        dataset.features.FeatureError: the settings ask for features that cannot be built.
    """
    decided = _decided(split)
    plan = _plan(prepared, decided, settings)
    made = _temporal(plan) if decided.protocol == "temporal" else _leave_one_out(plan, decided.parts)
    features.mkdir(parents=True, exist_ok=True)
    told = _content(prepared, plan, made.count_train > 0, settings.dense)
    _ratings(prepared, plan, decided).write(features / "ratings.npz")
    durable.write_json(features / "user_columns.json", _user_columns(prepared, plan.encoded.users))
    _write_meanings(features, plan, decided, told)
    _write_items(features, made, told)
    asked = _write_queries(features, made)
    return FeaturizeSummary(
        users=len(plan.encoded.users),
        items=len(plan.encoded.items) - len(RESERVED),
        categories=len(told.vocabulary) - len(RESERVED),
        dense=told.dense.shape[1],
        snapshots=len(made.final.popularity.snapshot_times),
        queries=asked,
    )


def _decided(split: Path) -> _Split:
    frozen = msgspec.json.decode((split / "split.json").read_bytes())
    with np.load(split / "parts.npz", allow_pickle=False) as arrays:
        return _Split(frozen["protocol"], Cuts(frozen["validation_start"], frozen["test_start"]), arrays["part"])


def _plan(prepared: Path, decided: _Split, settings: params.Featurize) -> Plan:
    table = pq.read_table(prepared / "interactions.parquet", columns=[USER, ITEM, TIMESTAMP])
    return Plan(
        encoded=encode(table, fit=decided.parts < TEST, min_item_count=settings.min_item_count),
        cuts=decided.cuts,
        history_length=settings.history_length,
        min_item_count=settings.min_item_count,
        windows_days=settings.popularity_windows_days,
        snapshot_days=settings.popularity_snapshot_days,
    )


def _temporal(plan: Plan) -> _Made:
    log = plan.encoded.log
    built = asof.build(log, plan)
    check_point_in_time(
        lambda known: asof.views(built if known is log else asof.build(known, plan), plan),
        log,
        _moments(log, plan.cuts),
    )
    counted = _Counted(built.popularity, built.first_seen)
    part = by_time(built.queries.time, plan.cuts)
    return _Made(built.timelines, built.queries, part, built.count_train, built.count_fit, counted, None, None)


def _leave_one_out(plan: Plan, parts: Parts) -> _Made:
    log = plan.encoded.log
    built = asfold.build(log, parts, plan)

    def views(known: Log, own: Parts) -> asfold.Views:
        made = built if known is log else asfold.build(known, own, plan)
        return asfold.views(made, built.queries, built.part, plan)

    check_held_out(views, log, parts)
    validation, test = built.known[VALIDATION], built.known[TEST]
    return _Made(
        timelines=built.timelines,
        queries=built.queries,
        part=built.part,
        count_train=validation.counts,
        count_fit=test.counts,
        final=_Counted(test.popularity, test.first_seen),
        selection=_Counted(validation.popularity, validation.first_seen),
        known={PARTS[part]: found.interactions for part, found in built.known.items()},
    )


def _moments(log: Log, cuts: Cuts) -> list[int]:
    """Where the leak guard cuts: both freezes and the middle of the test, all of them times of interactions."""
    test = log.time[log.time >= cuts.test_start]
    return sorted({cuts.validation_start, cuts.test_start, int(test[len(test) // 2])})


def _ratings(prepared: Path, plan: Plan, decided: _Split) -> Ratings:
    """The log's weights."""
    log = plan.encoded.log
    weight = pq.read_table(prepared / "interactions.parquet", columns=[WEIGHT])[WEIGHT].to_numpy()
    return Ratings(log.user, log.item, weight, decided.parts).told()


def _user_columns(prepared: Path, users: list[str]) -> dict[str, list[str]]:
    """What the user table says of each user, in index order, by column."""
    table = pq.read_table(prepared / "users.parquet")
    place = {name: row for row, name in enumerate(table[USER].to_pylist())}
    rows = table.take([place[name] for name in users])
    return {name: rows[name].to_pylist() for name in table.column_names if name != USER}


def _content(prepared: Path, plan: Plan, fitted: Mask, settings: params.Dense) -> ItemContent:
    """What the item table says of items; what is learned of it is learned from the `fitted` ones."""
    treatment = Treatment(settings.missing, settings.constant, settings.neighbours, settings.normalization)
    recipe = Recipe(
        treatment=treatment,
        text=settings.text,
        text_columns=settings.text_columns,
        text_components=settings.text_components,
        components=settings.components,
    )
    return of_items(pq.read_table(prepared / "items.parquet"), plan.encoded.items, fitted, recipe)


def _write_items(features: Path, made: _Made, told: ItemContent) -> None:
    """item_features.npz and, where it differs, what is known before validation."""
    for name, counted in (("item_features", made.final), ("selection_features", made.selection)):
        if counted is not None:
            ItemFeatures(
                categories=told.categories,
                year=told.year,
                popularity=counted.popularity.values,
                snapshot_times=counted.popularity.snapshot_times,
                count_train=made.count_train,
                count_fit=made.count_fit,
                first_seen=counted.first_seen,
                dense=told.dense,
            ).write(features / f"{name}.npz")


def _write_meanings(features: Path, plan: Plan, decided: _Split, told: ItemContent) -> None:
    plan.encoded.items.write(features / "items.json")
    told.vocabulary.write(features / "categories.json")
    durable.write_json(features / "users.json", plan.encoded.users)
    durable.write_json(features / "titles.json", told.titles)
    durable.write_json(features / "freeze.json", plan.cuts)
    durable.write_json(features / "shape.json", {"history_length": plan.history_length, "protocol": decided.protocol})


def _write_queries(features: Path, made: _Made) -> dict[str, int]:
    made.timelines.write(features / "timelines.npz")
    if made.known is not None:
        durable.write_arrays(features / "known.npz", made.known)
    asked = {name: made.queries[made.part == code] for code, name in enumerate(PARTS)}
    for name, queries in asked.items():
        queries.write(features / f"{name}.npz")
    return {name: len(queries) for name, queries in asked.items()}
