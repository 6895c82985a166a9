import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import digest
import params
from dataset import asof
from dataset.checks import CheckError
from dataset.features import Popularity, popularity
from dataset.leakage import LeakError
from dataset.manifest import ManifestError
from dataset.query import DAY_SECONDS, Queries, Timelines
from dataset.sources.tables import SourceError
from dataset.timelines import Log
from dataset.vocabulary import RESERVED
from dataset.world import World
from params import Params
from tasks.steps import REPRODUCIBLE, run
from tests.shop import Shop, settings, shop, write

STAGES = ("ingest", "prepare", "split", "featurize")
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet")


def project(folder: Path) -> Params:
    """The shop's parameters, with every path below `folder`."""
    shops = settings(params.load())
    paths = params.Paths(**{name: folder / name for name in params.Paths.__struct_fields__})
    return params.Params(
        **{name: getattr(shops, name) for name in Params.__struct_fields__ if name != "paths"}, paths=paths
    )


def stages(folder: Path, goods: Shop, suffix: str, names: tuple[str, ...] = STAGES) -> Params:
    """Writes the shop and runs the stages named."""
    chosen = project(folder)
    write(chosen.paths.inbox, goods, suffix=suffix)
    for name in names:
        run(name, chosen)
    return chosen


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """All four stages on a shop, from CSV; read only."""
    return stages(tmp_path_factory.mktemp("done"), shop(seed=4), ".csv")


@pytest.fixture
def copy(done: Params, tmp_path: Path) -> Params:
    """The same, to be spoiled."""
    shutil.copytree(done.paths.raw.parent, tmp_path, dirs_exist_ok=True)
    return project(tmp_path)


@pytest.mark.parametrize("integer_ids", [False, True], ids=["texts", "integers"])
def test_every_form_of_the_log_gives_the_same_features(tmp_path: Path, integer_ids: bool) -> None:
    goods = shop(seed=5, integer_ids=integer_ids, orders=600)
    features = {}
    for suffix in SUFFIXES:
        chosen = stages(tmp_path / suffix, goods, suffix)
        features[suffix] = digest.of_files(chosen.paths.features) | digest.of_files(chosen.paths.split)
        assert pq.read_table(chosen.paths.prepared / "quarantine.parquet").num_rows == 0
    assert len(features[".csv"]) > 10
    assert features[".csv"] == features[".csv.gz"] == features[".tsv"] == features[".parquet"]


def test_another_log_gives_other_features(done: Params, tmp_path: Path) -> None:
    other = stages(tmp_path, shop(seed=6), ".csv")
    assert digest.of_folder(other.paths.features) != digest.of_folder(done.paths.features)


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_writes_the_same_bytes_again(done: Params, copy: Params, stage: str) -> None:
    output = {"ingest": "raw", "prepare": "prepared", "split": "split", "featurize": "features"}[stage]
    expected = digest.of_files(getattr(done.paths, output))
    shutil.rmtree(getattr(copy.paths, output))
    run(stage, copy)
    assert digest.of_files(getattr(copy.paths, output)) == expected
    run(stage, copy)
    assert digest.of_files(getattr(copy.paths, output)) == expected


def test_the_prepared_tables_hold_the_shop(done: Params) -> None:
    goods = shop(seed=4)
    found = pq.read_table(done.paths.prepared / "interactions.parquet").to_pandas()
    assert found.dtypes.astype(str).to_dict() == {
        "user_id": "object", "item_id": "object", "timestamp": "int64", "weight": "float32", "event_type": "object",
    }  # fmt: skip
    assert found["user_id"].tolist() == goods.orders["customer"].tolist()
    assert found["item_id"].tolist() == goods.orders["sku"].tolist()
    assert found["weight"].tolist() == goods.orders["quantity"].tolist()
    assert found["event_type"].tolist() == goods.orders["action"].tolist()
    bought = [pd.Timestamp(text).timestamp() for text in goods.orders["bought_at"]]
    assert found["timestamp"].tolist() == bought
    products = pq.read_table(done.paths.prepared / "items.parquet").to_pandas()
    assert products["title"].tolist() == goods.products["name"].tolist()
    assert products["categories"].iloc[0].tolist() == ["garden", "sale"]
    assert products["price"].tolist() == goods.products["price"].tolist()
    assert products["text"].tolist() == goods.products["blurb"].tolist()
    summary = json.loads((done.paths.prepared / "summary.json").read_bytes())
    assert summary["tables"]["interactions"]["ignored_columns"] == ["till"]
    assert {name: table["bad"] for name, table in summary["tables"].items()} == {
        "interactions": 0, "items": 0, "users": 0,
    }  # fmt: skip


def test_the_parts_are_the_log_in_three(done: Params) -> None:
    parts = [pq.read_table(done.paths.split / f"{name}.parquet") for name in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [1200, 150, 150]
    cuts = json.loads((done.paths.split / "split.json").read_bytes())
    assert cuts["validation_start"] == parts[1]["timestamp"][0].as_py()
    assert cuts["test_start"] == parts[2]["timestamp"][0].as_py()
    assert parts[0]["timestamp"][-1].as_py() < cuts["validation_start"]
    assert parts[1]["timestamp"][-1].as_py() < cuts["test_start"]


def test_the_queries_hold_the_log_as_it_was_at_their_moments(done: Params) -> None:
    """Told anew, from the prepared table with a loop over its rows."""
    features = done.paths.features
    items = json.loads((features / "items.json").read_bytes())
    users = json.loads((features / "users.json").read_bytes())
    lines = Timelines.read(features / "timelines.npz")
    told: dict[str, list[tuple[str, int, str, list[str]]]] = {}
    for part in ("train", "validation", "test"):
        found = Queries.read(features / f"{part}.npz", lines)
        history = found.history(6)
        told[part] = [
            (users[user], int(time), items[target], [items[item] for item in row if item])
            for user, time, target, row in zip(found.user, found.time, found.target, history, strict=True)
        ]
    cuts = json.loads((done.paths.split / "split.json").read_bytes())
    known = set(items)
    expected: dict[str, list[tuple[str, int, str, list[str]]]] = {"train": [], "validation": [], "test": []}
    before: dict[str, list[str]] = {}
    for row in pq.read_table(done.paths.prepared / "interactions.parquet").to_pylist():
        user, item, time = row["user_id"], row["item_id"], row["timestamp"]
        past = before.setdefault(user, [])
        part = "train" if time < cuts["validation_start"] else "validation" if time < cuts["test_start"] else "test"
        if item not in past:
            expected[part].append((user, time, item if item in known else RESERVED[1], past[:-7:-1]))
        past.append(item)
    assert told == expected
    assert min(map(len, told.values())) > 20


def test_the_core_is_what_is_left_of_the_log(copy: Params, tmp_path: Path) -> None:
    limits = {"min_user_interactions": 18, "min_item_interactions": 25}
    run("prepare", msgspec.structs.replace(copy, prepare=msgspec.structs.replace(copy.prepare, **limits)))
    found = pq.read_table(copy.paths.prepared / "interactions.parquet").to_pandas()
    assert 100 < len(found) < 1500
    assert found["user_id"].value_counts().min() >= 18
    assert found["item_id"].value_counts().min() >= 25
    assert json.loads((copy.paths.prepared / "summary.json").read_bytes())["outside_core"] == 1500 - len(found)
    limits = {"min_user_interactions": 2000}
    with pytest.raises(CheckError, match="leave no interaction of 1500"):
        run("prepare", msgspec.structs.replace(copy, prepare=msgspec.structs.replace(copy.prepare, **limits)))


def test_leave_one_out_holds_the_last_orders_of_each_customer_out(copy: Params) -> None:
    chosen = msgspec.structs.replace(copy, split=msgspec.structs.replace(copy.split, protocol="leave-one-out"))
    for name in ("split", "featurize"):
        run(name, chosen)
    world = World.read(chosen.paths.features)
    assert world.protocol == "leave-one-out"
    orders = pq.read_table(chosen.paths.prepared / "interactions.parquet").to_pandas()
    taken = orders.drop_duplicates(["user_id", "item_id"]).groupby("user_id")["item_id"].agg(list)
    asked = {len(items) >= 3 for items in taken}
    assert asked == {True}
    for queries, place in ((world.validation, -2), (world.test, -1)):
        found = {
            world.users[user]: world.items.ids[item] for user, item in zip(queries.user, queries.target, strict=True)
        }
        assert found == {user: items[place] for user, items in taken.items()}
    for fold, rest in ((world.selection, 2), (world.final, 1)):
        assert len(fold.learn) == sum(map(len, taken)) - rest * len(taken)
        assert (np.diff(fold.known.starts)[fold.ask.user] == fold.ask.end).all()
        assert fold.known.times.max() < fold.freeze
        assert np.bincount(fold.known.items, minlength=len(world.items)).tolist() == fold.counts.tolist()
        assert (fold.catalogue == (fold.counts > 0)).all()
    assert world.selection.features is not world.final.features


def treated(chosen: Params, **changes: object) -> World:
    """The world with other settings of the dense features."""
    dense = msgspec.structs.replace(chosen.featurize.dense, **changes)
    run("featurize", msgspec.structs.replace(chosen, featurize=msgspec.structs.replace(chosen.featurize, dense=dense)))
    return World.read(chosen.paths.features)


def test_numbers_and_texts_of_items_become_dense_features(tmp_path: Path) -> None:
    goods = shop(seed=4)
    products = goods.products.assign(
        price=goods.products["price"].where(goods.products.index % 5 > 0),
        launched=pd.array([None if row % 7 == 0 else 2000 + row % 20 for row in range(40)], "Int64"),
    )
    chosen = stages(tmp_path, Shop(goods.orders, products, goods.customers), ".parquet")
    price = dict(zip(products["sku"], products["price"], strict=True))

    world = treated(chosen, text="none", normalization="none", missing="drop")
    names, dense = world.items.ids[2:], world.features.dense
    expected = np.array([price[name] for name in names])
    assert dense.shape == (42, 2)
    assert dense[2:, 0].tolist() == np.nan_to_num(expected).astype(np.float32).tolist()
    assert dense[2:, 1].tolist() == np.isnan(expected).tolist()
    assert (world.features.year[2:] == 0).sum() == 6

    world = treated(chosen, text="none", normalization="none", missing="median")
    assert world.features.dense.shape == (42, 1)
    # All 40 products are sold before validation, so the median is that of them all.
    assert (world.features.count_train[2:] > 0).all()
    assert np.unique(world.features.dense[2:][np.isnan(expected)]).tolist() == [np.float32(np.nanmedian(expected))]
    assert (world.features.year[2:] > 0).all()

    for missing in ("mean", "constant", "model"):
        for normalization in ("standard", "robust", "quantile"):
            found = treated(chosen, missing=missing, normalization=normalization, text_components=4).features.dense
            assert found.shape == (42, 5)
            assert np.isfinite(found).all()
            assert np.linalg.norm(found[2:, 1:], axis=1).tolist() == pytest.approx([1] * 40, abs=1e-5)
    assert treated(chosen, components=3).features.dense.shape == (42, 3)


def test_the_user_table_is_kept_by_user_index(done: Params) -> None:
    world = World.read(done.paths.features)
    customers = shop(seed=4).customers
    cities = dict(zip(customers["customer"], customers["city"], strict=True))
    assert world.user_columns == {"city": [cities[user] for user in world.users]}
    assert set(world.user_columns["city"]) == {"Ulm", "Graz"}


def test_a_flipped_byte_in_the_raw_folder_is_refused(copy: Params) -> None:
    expected = digest.of_folder(copy.paths.prepared)
    path = copy.paths.raw / "interactions" / "orders-1.csv"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(ManifestError, match=r"orders-1\.csv: changed since ingest"):
        run("prepare", copy)
    assert digest.of_folder(copy.paths.prepared) == expected


def test_an_extra_raw_file_is_refused(copy: Params) -> None:
    (copy.paths.raw / "interactions" / "orders-3.csv").write_text("customer\n")
    with pytest.raises(ManifestError, match=r"orders-3\.csv: not in the manifest"):
        run("prepare", copy)


def test_the_raw_folder_is_read_only_and_replaced_as_a_whole(copy: Params) -> None:
    modes = {path.stat().st_mode & 0o777 for path in copy.paths.raw.rglob("*") if path.is_file()}
    assert modes == {0o444}
    (copy.paths.inbox / "orders-2.csv").unlink()
    run("ingest", copy)
    assert not (copy.paths.raw / "interactions" / "orders-2.csv").exists()


def test_an_ingest_that_fails_leaves_the_old_raw_folder_and_nothing_else(copy: Params) -> None:
    expected = digest.of_folder(copy.paths.raw)
    names = sorted(path.name for path in copy.paths.raw.parent.iterdir())
    (copy.paths.inbox / "customers.csv").unlink()
    with pytest.raises(SourceError, match=r"ingest\.files\.users"):
        run("ingest", copy)
    assert digest.of_folder(copy.paths.raw) == expected
    assert sorted(path.name for path in copy.paths.raw.parent.iterdir()) == names


def spoiled(goods: Shop, rows: int) -> Shop:
    """The shop with the first `rows` orders of nobody."""
    orders = goods.orders.copy()
    orders.loc[: rows - 1, "customer"] = ""
    return Shop(orders, goods.products, goods.customers)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_few_bad_rows_are_quarantined_and_too_many_stop(tmp_path: Path, suffix: str) -> None:
    goods = shop(seed=4, orders=600)
    few = stages(tmp_path / "few", spoiled(goods, 6), suffix)
    found = pq.read_table(few.paths.prepared / "quarantine.parquet").to_pylist()
    first = 1 if suffix == ".parquet" else 2
    assert found == [
        {"file": f"interactions/orders-1{suffix}", "row": row, "column": "customer", "rule": "missing", "value": ""}
        for row in range(first, first + 6)
    ]
    assert pq.read_table(few.paths.prepared / "interactions.parquet").num_rows == 594
    with pytest.raises(CheckError, match=r"7 of 600 rows break a rule \(1\.17%\)"):
        stages(tmp_path / "many", spoiled(goods, 7), suffix)
    assert not (tmp_path / "many" / "prepared").exists()


def test_a_missing_column_stops_before_anything_is_written(tmp_path: Path) -> None:
    goods = shop(seed=4, orders=100)
    with pytest.raises(SourceError, match="column 'sku' is missing"):
        stages(tmp_path, Shop(goods.orders.drop(columns="sku"), goods.products, goods.customers), ".csv")
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6)])
def test_numbers_of_any_unit_are_the_same_log(tmp_path: Path, unit: str, factor: int) -> None:
    goods = shop(seed=4, orders=200)
    expected = stages(tmp_path / "iso", goods, ".csv", ("ingest", "prepare"))
    seconds = pd.to_datetime(goods.orders["bought_at"]).to_numpy("datetime64[s]").astype(np.int64)
    numbers = Shop(goods.orders.assign(bought_at=seconds * factor), goods.products, goods.customers)
    found = stages(tmp_path / unit, numbers, ".csv", ("ingest", "prepare"))
    assert digest.of_file(found.paths.prepared / "interactions.parquet") == digest.of_file(
        expected.paths.prepared / "interactions.parquet"
    )


def test_a_feature_that_reads_the_future_stops_featurize(copy: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    def a_day_late(log: Log, n_items: int, *, windows_days: list[int], snapshot_days: int) -> Popularity:
        right = popularity(log, n_items, windows_days=windows_days, snapshot_days=snapshot_days)
        return Popularity(right.snapshot_times - DAY_SECONDS, right.values)

    shutil.rmtree(copy.paths.features)
    monkeypatch.setattr(asof, "popularity", a_day_late)
    with pytest.raises(LeakError, match="feature 'popularity' at time"):
        run("featurize", copy)
    assert not copy.paths.features.exists()


def test_the_data_stages_are_the_first_steps() -> None:
    assert tuple(REPRODUCIBLE)[: len(STAGES)] == STAGES
