import errno
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from serving.exposure import Exposure, ExposureLog
from tests.serving import logged

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
DAY = 86_400


def record(request_id: str, *, time: float = NOON) -> Exposure:
    return Exposure(
        request_id=request_id,
        time=time,
        version="v",
        user_id=None,
        history=0,
        ignored=0,
        k=10,
        fallback="nothing_known",
        items=["a", "ü"],
        positions=[1, 2],
        scores=[0.5, 0.25],
        latency_ms=1.5,
        popularity_rank=[1, None],
    )


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow. Python ignores the signal that comes with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_reads_what_was_written_in_order(tmp_path: Path) -> None:
    log = ExposureLog(tmp_path / "exposures")
    for name in "abc":
        log.append(record(name))
    expected = [msgspec.structs.replace(record(name), sequence=i) for i, name in enumerate("abc")]
    assert logged.records(tmp_path / "exposures") == expected
    log.close()
    assert logged.records(tmp_path / "exposures") == expected
    assert logged.lost(tmp_path / "exposures") == []


def test_fields_are_the_agreed_ones(tmp_path: Path) -> None:
    log = ExposureLog(tmp_path)
    log.append(record("a"))
    log.close()
    (path,) = tmp_path.iterdir()
    assert path.name.startswith(f"2026-03-01-{os.getpid()}-")
    assert msgspec.json.decode(path.read_bytes()) == {
        "sequence": 0,
        "request_id": "a",
        "time": NOON,
        "version": "v",
        "user_id": None,
        "history": 0,
        "ignored": 0,
        "k": 10,
        "fallback": "nothing_known",
        "items": ["a", "ü"],
        "positions": [1, 2],
        "scores": [0.5, 0.25],
        "latency_ms": 1.5,
        "popularity_rank": [1, None],
    }


def test_a_new_day_is_a_new_file_with_its_own_numbers(tmp_path: Path) -> None:
    log = ExposureLog(tmp_path)
    for name, time in (("a", NOON), ("b", NOON + 43_199), ("c", NOON + 43_200)):
        log.append(record(name, time=time))
    log.close()
    assert [path.name[:10] for path in sorted(tmp_path.iterdir())] == ["2026-03-01", "2026-03-02"]
    assert [(found.request_id, found.sequence) for found in logged.records(tmp_path)] == [("a", 0), ("b", 1), ("c", 0)]


def test_two_logs_never_share_a_file(tmp_path: Path) -> None:
    logs = [ExposureLog(tmp_path), ExposureLog(tmp_path)]
    for log in logs:
        log.append(record("a"))
        log.close()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_drops_counts_and_complains_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "exposures").write_text("a file where the folder should be")
    log = ExposureLog(tmp_path / "exposures")
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            log.append(record("a"))
    assert log.dropped == 5
    assert [entry.levelname for entry in caplog.records if "EXPOSURES ARE LOST" in entry.message] == ["ERROR"]
    (tmp_path / "exposures").unlink()
    log.append(record("b"))
    log.close()
    (found,) = logged.records(tmp_path / "exposures")
    assert (found.request_id, found.sequence) == ("b", 5)
    assert logged.lost(tmp_path / "exposures") == [("missing", 5)]


def test_what_a_day_lost_at_its_end_is_a_gap_in_the_next_file(tmp_path: Path) -> None:
    log, folder = ExposureLog(tmp_path / "exposures"), tmp_path / "exposures"
    log.append(record("a"))
    with full_disk():
        log.append(record("b"), record("c", time=NOON + 1))
        log.append(record("d", time=NOON + DAY))
    log.append(record("e", time=NOON + 2 * DAY), record("f", time=NOON + 2 * DAY))
    log.append(record("g", time=NOON + 3 * DAY))
    log.close()
    assert [(found.request_id, found.sequence) for found in logged.records(folder)] == [
        ("a", 0),
        ("e", 3),
        ("f", 4),
        ("g", 0),
    ]
    assert logged.lost(folder) == [("missing", 3)]
    assert log.dropped == 3


def test_the_last_lost_record_is_tried_once_more_at_the_end(tmp_path: Path) -> None:
    log, folder = ExposureLog(tmp_path / "exposures"), tmp_path / "exposures"
    log.append(record("a"))
    with full_disk():
        for name in "bcd":
            log.append(record(name))
    log.close()
    assert [(found.request_id, found.sequence) for found in logged.records(folder)] == [("a", 0), ("d", 3)]
    assert logged.lost(folder) == [("missing", 2)]
    assert log.dropped == 2


def test_an_end_without_a_place_to_write_is_no_error(tmp_path: Path) -> None:
    log = ExposureLog(tmp_path / "exposures")
    with full_disk():
        log.append(record("a"))
        log.close()
    assert (log.dropped, logged.records(tmp_path / "exposures")) == (1, [])


def test_a_clock_set_back_over_midnight_begins_a_file_of_its_own(tmp_path: Path) -> None:
    log = ExposureLog(tmp_path)
    for name, time in (("a", NOON), ("b", NOON + DAY), ("c", NOON), ("d", NOON)):
        log.append(record(name, time=time))
    log.close()
    assert [path.name[:10] for path in sorted(tmp_path.iterdir())] == ["2026-03-01", "2026-03-01", "2026-03-02"]
    assert [(found.request_id, found.sequence) for found in logged.records(tmp_path)] == [
        ("a", 0),
        ("c", 0),
        ("d", 1),
        ("b", 0),
    ]


LIMITED_WRITER = """
import resource, signal, sys
from pathlib import Path
from serving.exposure import ExposureLog
from tests.serving.test_exposure import record

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = ExposureLog(Path(sys.argv[1]))
log.append(record("whole"))
size = next(Path(sys.argv[1]).iterdir()).stat().st_size
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + size // 2, unlimited[1]))
log.append(record("half"), record("nothing"))
log.append(record("none"))
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
log.append(record("again"))
log.close()
print(log.dropped)
"""


FULL_AFTER_ONE = LIMITED_WRITER.replace("size + size // 2", "2 * size + size // 2")


def test_of_answers_given_together_only_what_is_not_whole_is_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_AFTER_ONE, str(tmp_path / "exposures")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 2
    assert logged.numbers(tmp_path / "exposures") == [0, 1, 4]
    assert logged.lost(tmp_path / "exposures") == [("broken", 1), ("missing", 2)]


def test_a_disk_that_is_full_at_the_end_of_a_line_makes_no_broken_one(tmp_path: Path) -> None:
    writer = LIMITED_WRITER.replace("size + size // 2", "2 * size - 1")  # the name is one letter shorter
    command = [sys.executable, "-c", writer, str(tmp_path / "exposures")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 2
    assert logged.numbers(tmp_path / "exposures") == [0, 1, 4]
    assert logged.lost(tmp_path / "exposures") == [("missing", 2)]


def test_answers_given_together_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes, write = list[int](), os.write

    def counted(descriptor: int, data: bytes) -> int:
        writes.append(descriptor)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", counted)
    log = ExposureLog(tmp_path)
    log.append(record("a"), record("b"), record("c", time=NOON + 43_200))
    monkeypatch.undo()
    log.close()
    assert len(writes) == 1
    assert [(found.request_id, found.sequence) for found in logged.records(tmp_path)] == [("a", 0), ("b", 1), ("c", 2)]


def test_half_a_line_on_a_full_disk_spoils_no_other(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    command = [sys.executable, "-c", LIMITED_WRITER, str(tmp_path / "exposures")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 3
    assert logged.numbers(tmp_path / "exposures") == [0, 4]
    assert logged.lost(tmp_path / "exposures") == [("broken", 1), ("missing", 3)]
    assert os.strerror(errno.EFBIG) in done.stderr or "records were written" in done.stderr
