import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from monitoring import windows
from monitoring.exposures import Exposure
from monitoring.windows import Health, WindowError
from serving.exposure import Exposure as Served
from serving.exposure import ExposureLog
from tests.monitoring.answers import DAY, Record, changed, records, write

WATCHED_FIELDS = Exposure.__struct_fields__


def _one(**values: object) -> Record:
    return {**records(1, seed=1)[0], **values}


def test_a_whole_log_is_read_without_loss(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-02-11.jsonl", records(20, seed=2, start=100.0))
    write(tmp_path, "2026-01-01-10.jsonl", records(30, seed=1))
    (tmp_path / "notes.txt").write_text("not a log")
    log = windows.read(tmp_path)
    assert log.health() == Health(files=2, rows=50, torn=0, broken=0, missing_sequences=0)
    assert log.answers["time"].is_monotonic_increasing


def test_what_is_watched_of_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    line = _one(user_id="ü", scores=[0.5, None, 0.25, 0.125, 0.0], popularity_rank=[1, None, 3, 4, 5])
    write(tmp_path, "a.jsonl", [line])
    row = windows.read(tmp_path).answers.iloc[0].to_dict()
    assert row == {name: line[name] for name in WATCHED_FIELDS}


def test_what_the_endpoint_writes_is_read_without_loss(tmp_path: Path) -> None:
    lines = [{**line, "time": 86_390.0 + line["sequence"]} for line in records(20, seed=1)]
    log = ExposureLog(tmp_path)
    for line in lines:
        log.append(msgspec.convert(line, Served))
    log.close()
    found = windows.read(tmp_path)
    assert found.health() == Health(files=2, rows=20, torn=0, broken=0, missing_sequences=0)
    assert found.answers["time"].tolist() == [line["time"] for line in lines]
    assert found.answers["scores"].tolist() == [line["scores"] for line in lines]


def test_features_by_hand(tmp_path: Path) -> None:
    time = 3 * 86_400 + 5 * 3600 + 1799.5
    known = _one(
        time=time, history=3, ignored=2, scores=[0.9, 0.5, 0.4, 0.3, 0.1], popularity_rank=[1, None, 3, 8, None]
    )
    bare: Record = {key: [] for key in ("items", "positions", "scores", "popularity_rank")}
    write(tmp_path, "a.jsonl", [known, _one(time=time + 3600, sequence=1, history=0, fallback="popular", **bare)])
    table = windows.features(windows.read(tmp_path).answers, "v1")
    assert tuple(table.columns) == (*windows.WATCHED, windows.OWN)
    first = {"top_score": 0.9, "score_gap": 0.8, "score_mean": 0.44, "history": 3, "experience": math.log(4)}
    first |= {"popularity_rank_mean": 4.0, "ignored": 2, "hour": 5, "fallback": False, "own": True}
    assert table.iloc[0].to_dict() == pytest.approx(first)
    assert table["fallback"].tolist() == [False, True]
    assert table["hour"].tolist() == [5, 6]
    assert table.iloc[1][list(windows.SCORES)].isna().all()
    assert math.isnan(table["popularity_rank_mean"][1])
    assert table["experience"][1] == 0


def test_a_null_score_is_not_averaged_around(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", [_one(scores=[0.9, None, 0.4, 0.3, 0.1])])
    row = windows.features(windows.read(tmp_path).answers, "v1").iloc[0]
    assert math.isnan(row["score_mean"])
    assert row["score_gap"] == pytest.approx(0.8)


def test_no_answers_still_have_all_columns(tmp_path: Path) -> None:
    answers = windows.read(tmp_path).answers
    table = windows.features(answers, windows.newest_version(answers))
    assert tuple(table.columns) == (*windows.WATCHED, windows.OWN)
    assert len(table) == 0
    assert windows.read(tmp_path).health() == Health(0, 0, 0, 0, 0)


def test_own_answers_are_those_of_the_version_that_answered_last(tmp_path: Path) -> None:
    versions = ["v2", "v1", "v1", "v2"]
    lines = changed(records(4, seed=1), lambda line: {"version": versions[line["sequence"]]})
    write(tmp_path, "a.jsonl", lines)
    answers = windows.read(tmp_path).answers
    assert windows.newest_version(answers) == "v2"
    assert windows.newest_version(answers[:3]) == "v1"
    assert windows.features(answers, "v2")[windows.OWN].tolist() == [True, False, False, True]


def test_the_window_holds_its_start_and_not_its_end(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": [0.0, 1.0, 2.0, 3.0]})
    assert windows.between(frame, 1.0, 3.0)["time"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("window", [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0)])
def test_an_empty_window_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(WindowError, match="start must be before its end"):
        windows.between(pd.DataFrame({"time": [1.0]}), *window)


@pytest.mark.parametrize("cut", [2, 20, 60])
def test_a_torn_last_line_is_counted_where_it_happened(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, "a.jsonl", records(10, seed=1))
    path.write_bytes(path.read_bytes()[:-cut])
    log = windows.read(tmp_path)
    assert log.health() == Health(files=1, rows=9, torn=1, broken=0, missing_sequences=0)
    last = float(log.answers["time"].max())
    assert log.health(last, last + 1).torn == 1
    assert log.health(0, last).torn == 0
    assert log.health(last + 1, math.inf).torn == 0


def test_a_whole_last_line_without_its_newline_is_no_loss(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", records(10, seed=1))
    path.write_bytes(path.read_bytes()[:-1])
    assert windows.read(tmp_path).health() == Health(1, 10, 0, 0, 0)


BROKEN = {
    "garbage": b"\x80\x00\xff\n",
    "two records in one line": 2 * json.dumps(_one()).encode() + b"\n",
    "endless nesting": b'{"x":' + b"[" * 100_000 + b"\n",
    "bytes that are no text": b'{"request_id":"\xff"}\n',
    "another type": json.dumps(_one(history="3")).encode() + b"\n",
    "negative count": json.dumps(_one(history=-1)).encode() + b"\n",
    "no number": json.dumps(_one(time=math.nan)).encode() + b"\n",
    "a score too few": json.dumps(_one(scores=[0.5])).encode() + b"\n",
    **{
        f"without {key}": json.dumps({k: v for k, v in _one().items() if k != key}).encode() + b"\n"
        for key in WATCHED_FIELDS
    },
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_line_is_counted_and_the_others_are_read(tmp_path: Path, line: bytes) -> None:
    path = write(tmp_path, "a.jsonl", records(4, seed=1))
    good = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*good[:2], line, *good[2:]]))
    assert windows.read(tmp_path).health() == Health(files=1, rows=4, torn=0, broken=1, missing_sequences=0)


def test_a_blank_line_is_no_loss(tmp_path: Path) -> None:
    """The endpoint makes one after a disk that was full at the very end of a line."""
    path = write(tmp_path, "a.jsonl", records(4, seed=1))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n\n"))
    assert windows.read(tmp_path).health() == Health(files=1, rows=4, torn=0, broken=0, missing_sequences=0)


def test_damage_ahead_of_the_first_good_record_takes_its_date(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", records(4, seed=1, start=1000.0))
    path.write_bytes(b"garbage\n" + path.read_bytes())
    log = windows.read(tmp_path)
    assert (log.health(1000, 1001).broken, log.health(0, 1000).broken) == (1, 0)


@pytest.mark.parametrize(
    ("window", "torn"),
    [
        ((0, DAY), 0),
        ((DAY - 10, DAY + 10), 1),
        ((DAY + 50, DAY + 60), 1),
        ((2 * DAY - 1, 3 * DAY), 1),
        ((2 * DAY, 3 * DAY), 0),
    ],
)
def test_a_file_without_a_good_record_counts_on_the_day_of_its_name(
    tmp_path: Path, window: tuple[float, float], torn: int
) -> None:
    """A disk that was full at a process' first record leaves half a line, and must not blind monitoring for ever."""
    write(tmp_path, "1970-01-02-10-1.jsonl", records(1, seed=1)).write_bytes(b'{"sequence":0,"request')
    assert windows.read(tmp_path).health(*window).torn == torn


def test_a_file_of_garbage_without_a_date_counts_in_every_window(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", records(4, seed=1))
    (tmp_path / "b.jsonl").write_bytes(np.random.default_rng(1).bytes(5000) + b"\n\x00")
    log = windows.read(tmp_path)
    assert log.health(0, 10).broken == log.health(1e6, 2e6).broken > 0
    assert log.health(0, 10).torn == 1


@pytest.mark.parametrize(
    ("sequences", "missing"),
    [
        ([0, 1, 2, 3], 0),
        ([7, 8, 9], 7),
        ([0, 1, 4, 5], 2),
        ([0, 2, 5, 6], 3),
        ([0, 2, 1, 3], 0),
        ([1, 0, 2, 3], 0),
        ([0, 2**52], 2**52 - 1),
    ],
    ids=["none", "first ones", "gap", "two gaps", "swapped", "swapped first", "absurd"],
)
def test_missing_numbers_are_counted(tmp_path: Path, sequences: list[int], missing: int) -> None:
    lines = records(len(sequences), seed=1)
    write(tmp_path, "a.jsonl", [{**line, "sequence": value} for line, value in zip(lines, sequences, strict=True)])
    assert windows.read(tmp_path).health().missing_sequences == missing


def test_files_number_their_records_by_themselves(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", records(5, seed=1))
    write(tmp_path, "b.jsonl", changed(records(5, seed=2), lambda line: {"sequence": 2 * line["sequence"]}))
    assert windows.read(tmp_path).health().missing_sequences == 4


def test_a_gap_is_dated_by_the_record_after_it(tmp_path: Path) -> None:
    lines = [_one(sequence=0, time=10.0), _one(sequence=3, time=20.0)]
    write(tmp_path, "a.jsonl", lines)
    log = windows.read(tmp_path)
    assert (log.health(0, 15).missing_sequences, log.health(15, 30).missing_sequences) == (0, 2)


def test_files_of_other_days_are_not_opened(tmp_path: Path) -> None:
    """Folders cannot be opened as files."""
    for day in ("1970-01-01", "1970-01-07", "9999-12-31"):
        (tmp_path / f"{day}-10-1.jsonl").mkdir()
    for day in ("1970-01-02", "1970-01-03", "1970-01-06"):
        write(tmp_path, f"{day}-10-1.jsonl", [_one(time=2.5 * DAY)])
    write(tmp_path, "notes.jsonl", [_one(time=2.5 * DAY)])
    assert windows.read(tmp_path, 2.5 * DAY, 4.5 * DAY).health() == Health(4, 4, 0, 0, 0)
    with pytest.raises(WindowError, match="1970-01-01-10-1"):
        windows.read(tmp_path)


def test_an_absent_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WindowError, match="folder of readable"):
        windows.read(tmp_path / "absent")


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WindowError, match="folder of readable"):
        windows.read(write(tmp_path, "a.jsonl", []))


def test_a_log_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(WindowError, match=r"a\.jsonl"):
        windows.read(tmp_path)
