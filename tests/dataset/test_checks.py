from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dataset import checks
from dataset.checks import Checked, CheckError
from dataset.schema import EVENT, INTERACTION_COLUMNS, ITEM, TIMESTAMP, USER, WEIGHT
from dataset.sources import files
from dataset.sources.tables import SourceError, Tables
from tests.shop import shop, write

NAMES = {"who": USER, "what": ITEM, "when": TIMESTAMP, "stars": WEIGHT, "kind": EVENT}
ITEM_NAMES = {"sku": ITEM, "name": "title", "departments": "categories", "launched": "year", "price": "price"}
LATEST = 1_800_000_000
ROWS = 300
"""One bad row is a third of a percent, four are more than one percent."""


def clean() -> list[bytes]:
    """Header and ROWS records; record i (the header is 1) is user u<i>, item p<i mod 7>, second 1.6e9 + i."""
    rows = [f"u{i},p{i % 7},{1_600_000_000 + i},{i % 5}.5,view" for i in range(2, ROWS + 2)]
    return [line.encode() for line in ["who,what,when,stars,kind", *rows]]


def tables(folder: Path, lines: list[bytes]) -> Tables:
    return read(folder, b"".join(line + b"\n" for line in lines))


def read(folder: Path, data: bytes) -> Tables:
    (folder / "interactions").mkdir()
    (folder / "interactions" / "log.csv").write_bytes(data)
    return files.read(folder, interactions=NAMES, items={}, user_id="", category_separator="|")


def check(found: Tables, unit: str = "auto") -> Checked:
    return checks.interactions(found.interactions, unit=unit, latest=LATEST, min_weight=0.0)


def rules(checked: Checked) -> list[tuple[str, int, str, str]]:
    rows = checked.defects[["file", "row", "column", "rule"]].itertuples(index=False, name=None)
    return [(str(file), int(row), str(column), str(rule)) for file, row, column, rule in rows]


def with_field(lines: list[bytes], record: int, field: int, value: bytes) -> None:
    parts = lines[record - 1].split(b",")
    parts[field] = value
    lines[record - 1] = b",".join(parts)


def test_a_clean_log_has_no_defect_and_keeps_its_values(tmp_path: Path) -> None:
    checked = check(tables(tmp_path, clean()))
    assert rules(checked) == []
    assert (checked.total, checked.bad, len(checked.rows)) == (ROWS, 0, ROWS)
    assert set(checked.rows) == set(INTERACTION_COLUMNS)
    first = checked.rows.iloc[0]
    assert (first[USER], first[ITEM], first[TIMESTAMP], first[WEIGHT], first[EVENT]) == (
        "u2",
        "p2",
        1_600_000_002,
        2.5,
        "view",
    )
    assert checked.rows[WEIGHT].dtype == np.float32
    checks.refuse("interactions", checked, 0.0)


@pytest.mark.parametrize(
    ("field", "value", "column", "rule"),
    [
        (0, b"", "who", "missing"),
        (0, b"null", "who", "missing"),
        (1, b"NaN", "what", "missing"),
        (0, b"u\x00", "who", "control_character"),
        (1, b"p\x001", "what", "control_character"),
        (0, "\ufeffu9".encode(), "who", "control_character"),
        (0, b" u9", "who", "outer_space"),
        (1, b"p1\xa0", "what", "not_utf8"),
        (1, "p1\u00a0".encode(), "what", "outer_space"),
        (1, b"<oov>", "what", "reserved"),
        (1, b"<padding>", "what", "reserved"),
        (0, b"caf\xe9", "who", "not_utf8"),
        (4, b"vi\xffew", "kind", "not_utf8"),
        (4, b"vi\x00ew", "kind", "nul_character"),
        (2, b"", "when", "missing"),
        (2, b"NaN", "when", "missing"),
        (2, b"yesterday", "when", "not_a_timestamp"),
        (2, b"1900000000", "when", "in_the_future"),
        (2, b"1800000001", "when", "in_the_future"),
        (3, b"", "stars", "missing"),
        (3, b"NaN", "stars", "missing"),
        (3, b"three", "stars", "not_a_number"),
        (3, b"4,5", "", "column_count"),
        (3, b"inf", "stars", "not_finite"),
        (3, b"-Inf", "stars", "not_finite"),
        (3, b"1e39", "stars", "not_finite"),
        (3, b"-0.5", "stars", "below_minimum"),
    ],
)
def test_a_bad_value_is_found_in_its_place(tmp_path: Path, field: int, value: bytes, column: str, rule: str) -> None:
    lines = clean()
    with_field(lines, 100, field, value)
    checked = check(tables(tmp_path, lines))
    assert ("interactions/log.csv", 100, column, rule) in rules(checked)
    assert {row for _, row, _, _ in rules(checked)} == {100}
    assert (checked.total, checked.bad, len(checked.rows)) == (ROWS, 1, ROWS - 1)
    assert 1_600_000_100 not in set(checked.rows[TIMESTAMP])
    checks.refuse("interactions", checked, 0.01)
    with pytest.raises(CheckError, match=rf"rule {rule}, 1 rows\. First: file interactions/log\.csv, row 100"):
        checks.refuse("interactions", checked, 0.003)


def test_the_latest_allowed_second_is_allowed(tmp_path: Path) -> None:
    lines = clean()
    with_field(lines, 100, 2, b"1800000000")
    assert rules(check(tables(tmp_path, lines))) == []


def test_the_value_stands_beside_the_reason(tmp_path: Path) -> None:
    lines = clean()
    with_field(lines, 100, 3, b"three")
    with_field(lines, 200, 0, b"caf\xe9")
    found = check(tables(tmp_path, lines)).defects
    assert dict(zip(found["row"], found["value"], strict=True)) == {100: "three", 200: "caf\\xe9"}


def test_a_row_that_breaks_several_rules_counts_once(tmp_path: Path) -> None:
    lines = clean()
    with_field(lines, 100, 0, b"")
    with_field(lines, 100, 3, b"inf")
    checked = check(tables(tmp_path, lines))
    assert len(checked.defects) == 2
    assert checked.bad == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines, record: with_field(lines, record, 0, b""),
        lambda lines, record: with_field(lines, record, 1, b"\xff"),
        lambda lines, record: lines.__setitem__(record - 1, lines[0] + b",more"),
        lambda lines, record: lines.__setitem__(record - 1, b"only one field"),
        lambda lines, record: lines.__setitem__(record - 1, lines[1]),
    ],
    ids=["null", "byte", "extra field", "too few fields", "duplicate"],
)
def test_one_percent_is_allowed_and_more_is_not(tmp_path: Path, spoil: Callable[[list[bytes], int], None]) -> None:
    for bad in (3, 4):
        lines = clean()
        for record in range(50, 50 + bad):
            spoil(lines, record)
        (tmp_path / str(bad)).mkdir()
        checked = check(tables(tmp_path / str(bad), lines))
        assert {row for _, row, _, _ in rules(checked)} == set(range(50, 50 + bad))
        assert checked.bad == bad
        if bad == 3:
            checks.refuse("interactions", checked, 0.01)
        else:
            with pytest.raises(CheckError, match=r"interactions: 4 of 300 rows break a rule \(1\.33%\)"):
                checks.refuse("interactions", checked, 0.01)


def test_a_row_with_an_extra_field_is_found_and_the_next_row_keeps_its_number(tmp_path: Path) -> None:
    lines = clean()
    lines[99] += b",surplus"
    with_field(lines, 101, 0, b"")
    assert rules(check(tables(tmp_path, lines))) == [
        ("interactions/log.csv", 100, "", "column_count"),
        ("interactions/log.csv", 101, "who", "missing"),
    ]


def test_an_extra_field_beside_a_bad_byte_is_found(tmp_path: Path) -> None:
    lines = clean()
    lines[99] += b",\xff"
    checked = check(tables(tmp_path, lines))
    assert rules(checked) == [("interactions/log.csv", 100, "", "column_count")]


def test_a_duplicate_is_the_later_row(tmp_path: Path) -> None:
    lines = clean()
    lines.append(lines[49])
    checked = check(tables(tmp_path, lines))
    assert rules(checked) == [("interactions/log.csv", ROWS + 2, "", "duplicate")]
    assert checked.defects["value"].tolist() == ["u50 p1 1600000050 view"]
    assert len(checked.rows) == ROWS


@pytest.mark.parametrize("field", [0, 1, 2, 4])
def test_a_row_that_differs_in_its_key_is_no_duplicate(tmp_path: Path, field: int) -> None:
    lines = clean()
    lines.append(lines[49])
    with_field(lines, ROWS + 2, field, b"1600000051" if field == 2 else b"other")
    assert rules(check(tables(tmp_path, lines))) == []


def test_a_bad_row_makes_no_good_one_its_duplicate(tmp_path: Path) -> None:
    lines = clean()
    lines.append(lines[49])
    with_field(lines, 50, 3, b"inf")
    checked = check(tables(tmp_path, lines))
    assert rules(checked) == [("interactions/log.csv", 50, "stars", "not_finite")]
    assert "u50" in set(checked.rows[USER])


@pytest.mark.parametrize("odd", [b"1600000100000", b"1600000100000000", b"2020-09-13T12:28:20Z"])
def test_mixed_units_stop_the_check_and_name_the_row(tmp_path: Path, odd: bytes) -> None:
    lines = clean()
    with_field(lines, 100, 2, odd)
    with pytest.raises(CheckError, match=r"log\.csv: row 100: column when: rule mixed_units: .* most of these have s"):
        check(tables(tmp_path, lines))


def test_with_a_stated_unit_the_odd_row_is_quarantined(tmp_path: Path) -> None:
    lines = clean()
    with_field(lines, 100, 2, b"1600000100000")
    checked = check(tables(tmp_path, lines), unit="s")
    assert rules(checked) == [("interactions/log.csv", 100, "when", "in_the_future")]


def test_seconds_read_as_milliseconds_are_all_too_early(tmp_path: Path) -> None:
    checked = check(tables(tmp_path, clean()), unit="ms")
    assert {rule for *_, rule in rules(checked)} == {"too_early"}
    with pytest.raises(CheckError, match="300 of 300 rows break a rule"):
        checks.refuse("interactions", checked, 0.01)


@pytest.mark.parametrize("name", [b"who", b"what", b"when", b"stars", b"kind"])
def test_a_missing_column_is_named(tmp_path: Path, name: bytes) -> None:
    lines = clean()
    lines[0] = lines[0].replace(name, b"renamed")
    expected = rf"log\.csv: row 1: column '{name.decode()}' is missing; it is to be read as '{NAMES[name.decode()]}'"
    with pytest.raises(SourceError, match=expected):
        tables(tmp_path, lines)


def test_an_extra_column_is_not_read_but_named(tmp_path: Path) -> None:
    found = tables(tmp_path, [line + (b",till" if i == 0 else b",\xff") for i, line in enumerate(clean())])
    assert found.interactions.ignored == ("till",)
    assert rules(check(found)) == []


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"row 1: a column name must stand once\. Received twice: \['who'\]"):
        tables(tmp_path, [line + (b",who" if i == 0 else b",x") for i, line in enumerate(clean())])


def test_a_byte_order_mark_is_noted_and_harms_nothing(tmp_path: Path) -> None:
    lines = clean()
    lines[0] = b"\xef\xbb\xbf" + lines[0]
    found = tables(tmp_path, lines)
    assert found.interactions.notes == ("interactions/log.csv: a byte order mark at the start",)
    assert rules(check(found)) == []


def test_a_byte_order_mark_before_a_bad_byte_is_no_excuse(tmp_path: Path) -> None:
    lines = clean()
    lines[0] = b"\xef\xbb\xbf" + lines[0]
    with_field(lines, 100, 0, b"\xff")
    assert rules(check(tables(tmp_path, lines))) == [("interactions/log.csv", 100, "who", "not_utf8")]


def test_utf_16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the file is UTF-16; save it as UTF-8"):
        read(tmp_path, b"\n".join(clean()).decode().encode("utf-16"))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"log\.csv: the file is empty; a table needs at least a header line"):
        read(tmp_path, b"")


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_a_header_without_rows_is_refused(tmp_path: Path, end: bytes) -> None:
    checked = check(read(tmp_path, clean()[0] + end))
    assert checked.total == 0
    with pytest.raises(CheckError, match="interactions: rule no_rows"):
        checks.refuse("interactions", checked, 0.01)


@pytest.mark.parametrize("record", [2, 100, ROWS + 1])
@pytest.mark.parametrize("field", [0, 2, 4])
def test_a_quote_that_never_closes_stops_the_reading(tmp_path: Path, record: int, field: int) -> None:
    lines = clean()
    with_field(lines, record, field, b'"' + lines[record - 1].split(b",")[field])
    with pytest.raises(SourceError, match=rf"log\.csv: row {record}: rule open_quote"):
        tables(tmp_path, lines)


def test_a_quote_that_swallows_a_line_and_closes_is_refused(tmp_path: Path) -> None:
    lines = clean()
    with_field(lines, 100, 4, b'"view')
    with_field(lines, 101, 4, b'view"')
    with pytest.raises(SourceError, match=r"log\.csv: about row 100: column kind: rule open_quote"):
        tables(tmp_path, lines)


def test_a_quote_that_never_closes_in_a_column_that_is_not_read_stops_the_reading(tmp_path: Path) -> None:
    lines = [line + (b",note" if i == 0 else b",x") for i, line in enumerate(clean())]
    with_field(lines, 100, 5, b'"x')
    with pytest.raises(SourceError, match=r"log\.csv: row 100: rule open_quote"):
        tables(tmp_path, lines)


def test_a_quote_that_never_closes_in_an_item_table_stops_the_reading(tmp_path: Path) -> None:
    write(tmp_path / "inbox", shop(seed=1, customers=5, products=10, orders=20), suffix=".csv")
    with (tmp_path / "inbox" / "products.csv").open("a") as file:
        file.write('SKU-900,n,toys,2000,,"1.0\nSKU-901,n,toys,2000,,1.0\n')
    with pytest.raises(SourceError, match=r"products\.csv: row \d+: rule open_quote"):
        shop_tables(tmp_path)


def test_a_quote_within_a_field_opens_nothing(tmp_path: Path) -> None:
    lines = clean()
    with_field(lines, 100, 1, b'5" disk')
    checked = check(tables(tmp_path, lines))
    assert rules(checked) == []
    assert '5" disk' in set(checked.rows[ITEM])


def test_quotes_that_close_are_no_defect(tmp_path: Path) -> None:
    lines = clean()
    with_field(lines, 100, 1, b'"p ""1"", new"')
    checked = check(tables(tmp_path, lines))
    assert rules(checked) == []
    assert 'p "1", new' in set(checked.rows[ITEM])


def test_blank_lines_are_noted_and_keep_the_numbering(tmp_path: Path) -> None:
    lines = clean()
    lines.insert(10, b"")
    with_field(lines, 100, 0, b"")
    found = tables(tmp_path, lines)
    assert found.interactions.notes == ("interactions/log.csv: 1 blank lines",)
    checked = check(found)
    assert rules(checked) == [("interactions/log.csv", 100, "who", "missing")]
    assert checked.total == ROWS


def test_rows_come_out_in_time_order_and_ties_in_file_order(tmp_path: Path) -> None:
    lines = clean()
    lines[1:] = lines[:0:-1]
    with_field(lines, 2, 2, b"1600000002.75")
    with_field(lines, 3, 2, b"1600000002.25")
    checked = check(tables(tmp_path, lines))
    # 2 has the whole second, then the two fractions in their order, whatever the files say.
    assert checked.rows[USER].tolist()[:4] == ["u2", "u300", "u301", "u3"]
    assert checked.rows[TIMESTAMP].tolist()[:4] == [1_600_000_002] * 3 + [1_600_000_003]


def test_item_tables_allow_empty_fields_and_name_bad_ones(tmp_path: Path) -> None:
    goods = shop(seed=1, customers=5, products=10, orders=20)
    goods.products["price"] = goods.products["price"].astype(object)
    goods.products["launched"] = goods.products["launched"].astype(object)
    goods.products.loc[1, ["launched", "price"]] = ""
    goods.products.loc[2, "launched"] = "1999.5"
    goods.products.loc[3, "launched"] = "MM"
    goods.products.loc[4, "price"] = "inf"
    goods.products.loc[5, "price"] = "cheap"
    goods.products.loc[6, "sku"] = goods.products.loc[0, "sku"]
    goods.products.loc[7, "sku"] = ""
    write(tmp_path / "inbox", goods, suffix=".csv")
    found = shop_tables(tmp_path)
    assert found.items is not None
    checked = checks.items(found.items, numeric=("price",))
    assert sorted(rules(checked), key=lambda defect: defect[1]) == [
        ("items/products.csv", 4, "launched", "not_a_year"),
        ("items/products.csv", 5, "launched", "not_a_year"),
        ("items/products.csv", 6, "price", "not_finite"),
        ("items/products.csv", 7, "price", "not_a_number"),
        ("items/products.csv", 8, "", "duplicate"),
        ("items/products.csv", 9, "sku", "missing"),
    ]
    empty = checked.rows.iloc[1]
    assert np.isnan(empty["year"])
    assert np.isnan(empty["price"])


def shop_tables(folder: Path) -> Tables:
    raw = folder / "raw"
    files.fetch(raw, folder / "inbox", interactions="orders-*", items="products*", users="customers*")
    names = {"customer": USER, "sku": ITEM, "bought_at": TIMESTAMP, "quantity": WEIGHT, "action": EVENT}
    return files.read(raw, interactions=names, items=ITEM_NAMES, user_id="customer", category_separator="|")


@pytest.mark.parametrize("seed", range(50))
def test_clean_generated_logs_have_no_defects(tmp_path: Path, seed: int) -> None:
    suffix = (".csv", ".csv.gz", ".tsv", ".parquet")[seed % 4]
    goods = shop(seed=seed, integer_ids=seed % 3 == 0, customers=10, products=12, orders=150)
    write(tmp_path / "inbox", goods, suffix=suffix)
    found = shop_tables(tmp_path)
    assert found.items is not None
    assert found.users is not None
    log = checks.interactions(found.interactions, unit="auto", latest=LATEST, min_weight=0.0)
    for checked, rows in [
        (log, goods.orders),
        (checks.items(found.items, numeric=("price",)), goods.products),
        (checks.users(found.users), goods.customers),
    ]:
        assert rules(checked) == []
        assert len(checked.rows) == checked.total == len(rows)
