"""What a peer is shown, and what it must not give back."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

import digest
from benchmarks import exchange
from benchmarks.exchange import ExchangeError, Fit, LeakError
from dataset.query import Timelines
from tests.benchmarks.peers import LENGTH, fold

FOLD = fold()
FIT = Fit(
    fit_seconds=1.0,
    score_seconds=0.5,
    peak_bytes=10,
    model_bytes=5,
    examples_per_second=3.0,
    epochs=2,
    versions={"numpy": "2"},
    settings={"factors": 3},
)


def written(folder: Path, *, reveal: bool = False) -> Path:
    exchange.write(folder, FOLD.known, FOLD.ask, FOLD.catalogue, LENGTH, protocol="temporal", reveal=reveal)
    return folder


def answer() -> np.ndarray:
    """Each query's first unseen items of the catalogue."""
    lists = np.full((len(FOLD.ask), LENGTH), -1, np.int32)
    for row, listed in enumerate(lists):
        seen = FOLD.ask[row : row + 1].seen()[1]
        listed[:] = [item for item in np.flatnonzero(FOLD.catalogue) if item not in seen][:LENGTH]
    return lists


def test_the_answers_stay_here_unless_they_are_for_early_stopping(tmp_path: Path) -> None:
    assert not (written(tmp_path / "test") / "targets.npy").exists()
    targets = np.load(written(tmp_path / "validation", reveal=True) / "targets.npy")
    assert targets.tolist() == FOLD.ask.target.tolist()


def test_what_is_given_is_the_same_bytes_and_what_was_known(tmp_path: Path) -> None:
    one, two = (digest.of_folder(written(tmp_path / name)) for name in ("one", "two"))
    assert one == two
    known = pq.read_table(tmp_path / "one/known.parquet")
    assert len(known) == len(FOLD.known.items)
    assert (np.diff(known["time"].to_numpy()) >= 0).all()
    queries = pq.read_table(tmp_path / "one/queries.parquet")
    history = FOLD.ask.history(1)[:, 0]
    newest = [items[-1] if items else 0 for items in queries["history"].to_pylist()]
    assert newest == history.tolist()


def test_old_files_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "targets.npy").touch()
    with pytest.raises(ExchangeError, match="must be empty"):
        written(tmp_path)


def test_the_future_is_not_shown(tmp_path: Path) -> None:
    late = FOLD.known.times.copy()
    late[-1] = FOLD.ask.time.max() + 1
    with pytest.raises(LeakError, match="before the first query"):
        exchange.refuse_leaks(replace(FOLD.known, times=late), FOLD.ask, "temporal")
    other = FOLD.known.items.copy()
    other[FOLD.known.starts[FOLD.ask.user[0]]] += 1
    with pytest.raises(LeakError, match="beginning of each timeline"):
        exchange.refuse_leaks(replace(FOLD.known, items=other), FOLD.ask, "temporal")
    lines = FOLD.ask.timelines
    with pytest.raises(LeakError, match="end before each query"):
        exchange.refuse_leaks(Timelines(lines.starts, lines.items, lines.times), FOLD.ask, "temporal")


def test_an_honest_answer_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "lists.npy", answer())
    (tmp_path / "fit.json").write_bytes(msgspec.json.encode(FIT))
    found = exchange.read(tmp_path, FOLD.ask, FOLD.catalogue, LENGTH)
    assert found.fit == FIT
    places = found.rank(FOLD.ask.target)
    for row, (listed, target) in enumerate(zip(found.lists.tolist(), FOLD.ask.target.tolist(), strict=True)):
        assert places[row] == (listed.index(target) + 1 if target in listed else 0)


def test_nothing_given_back_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match=r"must hold lists\.npy and fit\.json"):
        exchange.read(tmp_path, FOLD.ask, FOLD.catalogue, LENGTH)


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (0, 10_000, "items must be -1 to"),
        (0, -2, "items must be -1 to"),
        (0, 0, "items must be of the catalogue"),
        (0, -1, "at the end of a list alone"),
        (1, "first", "stands in a list once"),
        (0, "seen", "new to the user"),
    ],
)
def test_a_list_that_breaks_a_rule_is_refused(place: int, value: int | str, says: str) -> None:
    lists = answer()
    row = int(np.flatnonzero(FOLD.ask.end)[0])
    seen = FOLD.ask[row : row + 1].seen()[1]
    lists[row, place] = {"first": lists[row, 0], "seen": seen[0]}.get(str(value), value)
    with pytest.raises(ExchangeError, match=says):
        exchange.verify(lists, FOLD.ask, FOLD.catalogue, LENGTH)


def test_another_shape_is_refused() -> None:
    for lists in (answer()[:, :-1], answer().astype(np.int64)):
        with pytest.raises(ExchangeError, match="must be int32"):
            exchange.verify(lists, FOLD.ask, FOLD.catalogue, LENGTH)
