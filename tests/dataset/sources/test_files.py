import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset.schema import CATEGORIES, ITEM, TIMESTAMP, TITLE, USER, WEIGHT
from dataset.sources import files, mapping
from dataset.sources.tables import SourceError, Tables
from tests.shop import shop, write

LOG = {"customer": USER, "sku": ITEM, "bought_at": TIMESTAMP, "quantity": WEIGHT}
PRODUCTS = {"sku": ITEM, "name": TITLE, "departments": CATEGORIES, "blurb": "text", "price": "price"}
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet")
OURS = {
    "user_id": "customer", "item_id": "sku", "timestamp": "bought_at", "weight": "", "event_type": "",
    "title": "", "categories": "", "year": "", "text": "",
}  # fmt: skip


def fetch(folder: Path, interactions: str = "orders-*", items: str = "products*", users: str = "customers*") -> Path:
    files.fetch(folder / "raw", folder / "inbox", interactions=interactions, items=items, users=users)
    return folder / "raw"


def read(raw: Path, log: dict[str, str] = LOG, separator: str = "|") -> Tables:
    return files.read(raw, interactions=log, items=PRODUCTS, user_id="customer", category_separator=separator)


def small(folder: Path, name: str, columns: dict[str, Any]) -> None:
    """A Parquet log with two rows below the inbox."""
    (folder / "inbox").mkdir(exist_ok=True)
    table = {"customer": ["u", "v"], "sku": ["p", "q"], "bought_at": [1_600_000_000] * 2, "quantity": [1, 2]}
    pq.write_table(pa.table(table | columns), folder / "inbox" / name)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("integer_ids", [False, True], ids=["texts", "integers"])
def test_every_form_gives_the_same_text_under_our_names(tmp_path: Path, suffix: str, integer_ids: bool) -> None:
    goods = shop(seed=2, integer_ids=integer_ids, customers=10, products=12, orders=101)
    write(tmp_path / "inbox", goods, suffix=suffix)
    found = read(fetch(tmp_path))
    log = found.interactions
    assert log.columns.column_names == list(LOG.values())
    assert set(log.columns.schema.types) == {pa.string()}
    for theirs, ours in LOG.items():
        assert log.columns[ours].to_pylist() == goods.orders[theirs].astype(str).tolist()
    assert log.files == (f"interactions/orders-1{suffix}", f"interactions/orders-2{suffix}")
    assert log.file.tolist() == [0] * 50 + [1] * 51
    first = 1 if suffix == ".parquet" else 2
    assert log.row.tolist() == [*range(first, first + 50), *range(first, first + 51)]
    assert log.ignored == ("action", "till")
    assert log.notes == ()
    assert log.defects.empty
    assert found.items is not None
    assert found.items.columns["text"].to_pylist() == goods.products["blurb"].tolist()
    assert found.items.columns[TITLE].to_pylist() == goods.products["name"].tolist()
    assert found.items.ignored == ("launched",)
    assert found.users is not None
    assert found.users.columns.column_names == [USER, "city"]
    assert found.users.columns["city"].to_pylist() == goods.customers["city"].tolist()


def test_the_raw_folder_holds_the_files_as_they_came(tmp_path: Path) -> None:
    write(tmp_path / "inbox", shop(seed=1, orders=20), suffix=".csv.gz")
    raw = fetch(tmp_path)
    assert names(raw) == [
        "interactions/orders-1.csv.gz", "interactions/orders-2.csv.gz", "items/products.csv.gz",
        "users/customers.csv.gz",
    ]  # fmt: skip
    assert (raw / "items/products.csv.gz").read_bytes() == (tmp_path / "inbox/products.csv.gz").read_bytes()


def test_a_glob_for_the_log_leaves_out_the_other_tables(tmp_path: Path) -> None:
    write(tmp_path / "inbox", shop(seed=1, orders=20), suffix=".csv")
    raw = fetch(tmp_path, interactions="*.csv", items="products.csv", users="customers.csv")
    assert names(raw / "interactions") == ["orders-1.csv", "orders-2.csv"]


def test_without_item_and_user_tables_there_is_only_the_log(tmp_path: Path) -> None:
    write(tmp_path / "inbox", shop(seed=1, orders=20), suffix=".csv")
    found = read(fetch(tmp_path, items="", users=""))
    assert found.items is None
    assert found.users is None
    assert len(found.interactions.columns) == 20


def test_files_of_several_forms_and_folders_are_one_log_in_the_order_of_their_names(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    (inbox / "2025").mkdir(parents=True)
    (inbox / "2025" / "b.csv").write_text("sku,customer,bought_at,quantity\nB,u,1600000000,1\n")
    (inbox / "c.tsv").write_text("quantity\tcustomer\tsku\tbought_at\n1\tu\tC\t1600000000\n")
    (inbox / "a.csv.gz").write_bytes(gzip.compress(b"customer,sku,bought_at,quantity\nu,A,1600000000,1\n"))
    small(tmp_path, "d.parquet", {})
    found = read(fetch(tmp_path, interactions="**/*.*", items="", users=""))
    assert found.interactions.columns[ITEM].to_pylist() == ["B", "A", "C", "p", "q"]
    assert found.interactions.columns[USER].to_pylist() == ["u", "u", "u", "u", "v"]


def test_ids_are_taken_literally(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    ids = ["7", "07", "7.0", "1e3", "TRUE", "0x1F", "2024-01-01", "\uff19"]
    lines = [f"{name},{name},1600000000,1" for name in ids]
    (tmp_path / "inbox" / "log.csv").write_text("\n".join(["customer,sku,bought_at,quantity", *lines]))
    found = read(fetch(tmp_path, interactions="log.csv", items="", users=""))
    assert found.interactions.columns[USER].to_pylist() == ids


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([2**63 - 1, -1], pa.int64()), ["9223372036854775807", "-1"]),
        (pa.array([255, 0], pa.uint8()), ["255", "0"]),
        (pa.array(["07", ""], pa.large_string()), ["07", ""]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([7, None], pa.int64()), ["7", None]),
    ],
    ids=["int64", "uint8", "large string", "dictionary", "gap"],
)
def test_parquet_ids_may_be_integers_or_strings(tmp_path: Path, values: pa.Array, expected: list[str | None]) -> None:
    small(tmp_path, "log.parquet", {"customer": values})
    found = read(fetch(tmp_path, interactions="log.parquet", items="", users=""))
    assert found.interactions.columns[USER].to_pylist() == expected


@pytest.mark.parametrize("values", [[7.0, 8.0], [True, False], [b"a", b"b"], [["a"], ["b"]]])
def test_parquet_ids_of_another_type_are_refused(tmp_path: Path, values: list[Any]) -> None:
    small(tmp_path, "log.parquet", {"sku": values})
    with pytest.raises(SourceError, match=r"log\.parquet: column 'sku': ids must be strings or integers"):
        read(fetch(tmp_path, interactions="log.parquet", items="", users=""))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Vienna"])
def test_parquet_timestamps_become_iso_texts_of_the_same_moment(tmp_path: Path, unit: str, zone: str | None) -> None:
    moment = pd.Timestamp("2024-03-01T12:00:00", tz="UTC")
    column = pa.array([moment, moment]).cast(pa.timestamp(unit, zone))
    small(tmp_path, "log.parquet", {"bought_at": column})
    text = read(fetch(tmp_path, interactions="log.parquet", items="", users="")).interactions.columns[TIMESTAMP]
    assert [pd.to_datetime(value, utc=True) for value in text.to_pylist()] == [moment, moment]


def test_parquet_lists_of_categories_are_joined(tmp_path: Path) -> None:
    goods = shop(seed=1, products=4, customers=5, orders=20)
    goods.products["departments"] = [["toys", "sale"], [], ["books"], ["toys"]]
    write(tmp_path / "inbox", goods, suffix=".parquet")
    found = read(fetch(tmp_path))
    assert found.items is not None
    assert found.items.columns[CATEGORIES].to_pylist() == ["toys|sale", "", "books", "toys"]
    with pytest.raises(SourceError, match=r"a category holds 'oy'; set prepare\.category_separator"):
        read(tmp_path / "raw", separator="oy")


def test_a_column_that_only_some_files_lack_is_named_with_its_file(tmp_path: Path) -> None:
    goods = shop(seed=1, orders=20)
    write(tmp_path / "inbox", goods, suffix=".csv")
    goods.orders.drop(columns="sku").to_csv(tmp_path / "inbox" / "orders-2.csv", index=False)
    with pytest.raises(SourceError, match=r"orders-2\.csv: row 1: column 'sku' is missing; it is to be read as 'item_"):
        read(fetch(tmp_path))


def test_a_missing_parquet_column_is_named(tmp_path: Path) -> None:
    small(tmp_path, "log.parquet", {})
    with pytest.raises(SourceError, match="column 'stars' is missing"):
        read(fetch(tmp_path, interactions="log.parquet", items="", users=""), LOG | {"stars": "event_type"})


@pytest.mark.parametrize("name", ["log.parquet", "log.csv.gz"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / name).write_bytes(b"customer,sku,bought_at,quantity\nu,p,1600000000,1\n")
    with pytest.raises(SourceError, match=rf"{name}: cannot be"):
        read(fetch(tmp_path, interactions=name, items="", users=""))


def test_a_gzip_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "inbox", shop(seed=1), suffix=".csv.gz")
    path = tmp_path / "inbox" / "orders-1.csv.gz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(SourceError, match=r"orders-1\.csv\.gz: cannot be"):
        read(fetch(tmp_path))


@pytest.mark.parametrize("keep", [0.3, 0.99])
def test_a_parquet_file_that_was_cut_off_is_refused(tmp_path: Path, keep: float) -> None:
    small(tmp_path, "log.parquet", {})
    path = tmp_path / "inbox" / "log.parquet"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(SourceError, match=r"log\.parquet: cannot be read as Parquet"):
        read(fetch(tmp_path, interactions="log.parquet", items="", users=""))


def test_a_parquet_page_with_text_that_is_not_utf8_becomes_a_defect(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(2, *pa.array([b"a\xff", b"b"]).buffers()[1:])
    small(tmp_path, "log.parquet", {"sku": broken})
    found = read(fetch(tmp_path, interactions="log.parquet", items="", users="")).interactions
    assert found.defects.to_dict("records") == [
        {"file": "interactions/log.parquet", "row": 1, "column": "sku", "rule": "not_utf8", "value": "a\\xff"}
    ]
    assert found.columns[ITEM].to_pylist() == ["b"]
    assert found.row.tolist() == [2]


@pytest.mark.parametrize("pattern", ["../secret.csv", "/etc/passwd", "", "a/../../secret.csv"])
def test_patterns_stay_in_the_inbox(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "secret.csv").write_text("x")
    with pytest.raises(SourceError, match=r"ingest\.files\.interactions: must be a file name or glob below"):
        fetch(tmp_path, interactions=pattern, items="", users="")


def test_a_pattern_that_finds_nothing_is_named(tmp_path: Path) -> None:
    write(tmp_path / "inbox", shop(seed=1, orders=20), suffix=".csv")
    with pytest.raises(SourceError, match=r"ingest\.files\.users: no file in .* matches 'people\*'"):
        fetch(tmp_path, users="people*")


def test_a_pattern_that_finds_only_the_other_tables_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "inbox", shop(seed=1, orders=20), suffix=".csv")
    with pytest.raises(SourceError, match="finds only files of the item or user table"):
        fetch(tmp_path, interactions="products*")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "log.xlsx").write_bytes(b"PK")
    with pytest.raises(SourceError, match=r"log\.xlsx: must be \.csv, \.tsv \(also \.gz\) or \.parquet"):
        fetch(tmp_path, interactions="log*", items="", users="")


def test_hidden_files_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "inbox", shop(seed=1, orders=20), suffix=".csv")
    (tmp_path / "inbox" / ".orders-3.csv").write_text("garbage")
    assert len(names(fetch(tmp_path, interactions="*orders-*") / "interactions")) == 2


def test_a_user_table_with_a_column_of_our_name_is_refused(tmp_path: Path) -> None:
    goods = shop(seed=1, orders=20)
    goods.customers["user_id"] = "x"
    write(tmp_path / "inbox", goods, suffix=".csv")
    with pytest.raises(SourceError, match="column 'user_id' stands beside 'customer'"):
        read(fetch(tmp_path))


def test_the_mapping_turns_our_names_into_theirs() -> None:
    assert mapping.interactions(OURS) == {"customer": USER, "sku": ITEM, "bought_at": TIMESTAMP}
    assert mapping.interactions(OURS | {"weight": "n"})["n"] == WEIGHT
    assert mapping.items(OURS | {"title": "name"}, ("price",)) == {"sku": ITEM, "name": TITLE, "price": "price"}


@pytest.mark.parametrize("ours", ["user_id", "item_id", "timestamp"])
def test_a_mapping_needs_who_what_and_when(ours: str) -> None:
    with pytest.raises(SourceError, match=rf"prepare\.columns\.{ours}: must name a column"):
        mapping.interactions(OURS | {ours: ""})


def test_a_column_has_one_meaning() -> None:
    with pytest.raises(SourceError, match="column 'sku' is mapped to both item_id and weight"):
        mapping.interactions(OURS | {"weight": "sku"})
    with pytest.raises(SourceError, match="column 'sku' is mapped to both item_id and sku"):
        mapping.items(OURS, ("sku",))
    with pytest.raises(SourceError, match=r"prepare\.columns\.numeric: 'year' is a name the platform uses"):
        mapping.items(OURS, ("year",))
