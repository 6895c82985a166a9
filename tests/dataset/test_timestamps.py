import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.timestamps import EARLIEST, FACTORS, MISSING, SECOND, parse

TEXT = pd.StringDtype("pyarrow")


def series(*values: str | None) -> "pd.Series[str]":
    return pd.Series(list(values), dtype=TEXT)


def test_known_moment_in_every_unit() -> None:
    # 1997-12-04 15:55:49 UTC, a rating of MovieLens-100K
    texts = {
        "s": "881250949",
        "ms": "881250949000",
        "us": "881250949000000",
        "iso": "1997-12-04T15:55:49Z",
    }
    for unit, text in texts.items():
        for declared in ("auto", unit):
            found = parse(series(text), declared)
            assert found.unit == unit
            assert found.odd is None
            assert found.microseconds.tolist() == [881_250_949 * SECOND]


@pytest.mark.parametrize(
    "text",
    ["1997-12-04 15:55:49", "1997-12-04T15:55:49+00:00", "1997-12-04T16:55:49+01:00", "1997-12-04T10:55:49.000-05:00"],
)
def test_iso_forms_of_one_moment(text: str) -> None:
    assert parse(series(text), "auto").microseconds.tolist() == [881_250_949 * SECOND]


def test_hour_that_daylight_saving_repeats_is_two_moments() -> None:
    found = parse(series("2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"), "auto").microseconds
    assert found[1] - found[0] == 3600 * SECOND


def test_year_2038_is_no_border() -> None:
    assert parse(series(str(2**31)), "auto").microseconds.tolist() == [2**31 * SECOND]


def test_fraction_of_a_second_is_kept() -> None:
    assert parse(series("881250949.5"), "auto").microseconds.tolist() == [881_250_949 * SECOND + SECOND // 2]


@pytest.mark.parametrize(
    ("texts", "odd"),
    [
        (("1600000000", "1600000001", "1600000002000"), 2),
        (("1600000000000", "1600000001", "1600000002000"), 1),
        (("1600000000000000", "1600000001000000", "1600000001000"), 2),
        (("1600000000", "1600000001", "2024-01-01"), 2),
        (("2024-01-01", "1600000001", "2024-01-01"), 1),
    ],
)
def test_auto_finds_the_odd_unit(texts: tuple[str, ...], odd: int) -> None:
    assert parse(series(*texts), "auto").odd == odd


@pytest.mark.parametrize("text", ["yesterday", "", "nan", "12:30", "2024-13-01", "1e400", "1e30", None])
def test_what_is_no_timestamp_is_missing(text: str | None) -> None:
    found = parse(series("1600000000", text), "auto")
    assert found.odd is None
    assert found.microseconds.tolist() == [1_600_000_000 * SECOND, MISSING]


def test_nothing_readable_at_all() -> None:
    assert parse(series("a", None), "auto").microseconds.tolist() == [MISSING, MISSING]


def test_no_rows() -> None:
    assert len(parse(series(), "auto").microseconds) == 0


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["s", "ms", "us"]), st.lists(st.integers(100_000_000, 4_000_000_000), min_size=1, max_size=20))
def test_auto_recognises_every_moment_from_1973_to_2096(unit: str, seconds: list[int]) -> None:
    found = parse(series(*(str(second * SECOND // FACTORS[unit]) for second in seconds)), "auto")
    assert found.unit == unit
    assert found.odd is None
    assert np.array_equal(found.microseconds, np.array(seconds) * SECOND)
    assert (found.microseconds >= EARLIEST).all()
