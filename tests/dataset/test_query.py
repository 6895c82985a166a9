from pathlib import Path

import numpy as np
import pytest

from dataset.query import CONTEXT, DAY_SECONDS, Queries, Timelines, ask
from dataset.timelines import queries, timelines
from dataset.vocabulary import OOV, PADDING
from tests.dataset.logs import random_log

LINES = Timelines(
    starts=np.array([0, 3, 3, 5]),
    items=np.array([7, 8, 9, 5, 6], np.int32),
    times=np.array([100, 200, 300, 150, 250]),
)


def batch(*rows: tuple[int, int, int, int]) -> Queries:
    """From (user, end, time, target)."""
    table = np.array(rows, np.int64)
    return Queries(LINES, table[:, 0].astype(np.int32), table[:, 1], table[:, 2], table[:, 3].astype(np.int32))


ALL = batch((0, 3, 400, 2), (0, 2, 300, 9), (0, 0, 100, 7), (1, 0, 500, OOV), (2, 2, 400, PADDING), (2, 1, 250, 6))


def test_history_is_newest_first_filled_up_with_padding_and_never_anothers() -> None:
    found = ALL.history(4)
    assert found.dtype == np.int32
    assert found.tolist() == [[9, 8, 7, 0], [8, 7, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [6, 5, 0, 0], [5, 0, 0, 0]]


def test_a_short_history_keeps_the_newest() -> None:
    assert ALL.history(1).tolist() == [[9], [8], [0], [0], [6], [5]]


def test_seen_is_every_earlier_interaction() -> None:
    row, item = ALL.seen()
    assert row.tolist() == [0, 0, 0, 1, 1, 4, 4, 5]
    assert item.tolist() == [7, 8, 9, 7, 8, 5, 6, 5]


def test_known_is_a_target_beyond_the_reserved_two() -> None:
    assert ALL.known().tolist() == [True, True, True, False, False, True]


@pytest.mark.parametrize(
    ("hour", "sine", "cosine"),
    [(0, 0.0, 1.0), (6, 1.0, 0.0), (12, 0.0, -1.0), (18, -1.0, 0.0), (3, 0.5**0.5, 0.5**0.5)],
)
def test_the_time_of_day_is_on_a_circle(hour: int, sine: float, cosine: float) -> None:
    found = batch((1, 0, 20_000 * DAY_SECONDS + hour * 3600, 2)).context()
    assert found.shape == (1, len(CONTEXT))
    assert found.dtype == np.float32
    assert found[0, :2].tolist() == pytest.approx([sine, cosine], abs=1e-6)


def test_recency_and_experience_are_scaled_logarithms() -> None:
    after = [300, 300 + DAY_SECONDS, 300 + 365 * DAY_SECONDS]
    found = batch(*((0, 3, time, 2) for time in after)).context()
    # log(1 + 1) / log(1 + 365) and log(1 + 3) / log(1 + 1000)
    assert found[:, 2].tolist() == pytest.approx([0.0, 0.1174302, 1.0], abs=1e-6)
    assert found[:, 3].tolist() == pytest.approx([0.2006577] * 3, abs=1e-6)


def test_without_history_recency_is_one_and_experience_zero() -> None:
    assert batch((0, 0, 100, 7), (1, 0, 500, 2)).context()[:, 2:].tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_recency_is_counted_from_the_users_own_last_interaction() -> None:
    # User 2's second interaction was at 250; user 0's last, which stands just before user 2's first, at 300.
    found = batch((2, 1, 150 + DAY_SECONDS, 6)).context()
    assert found[0, 2] == pytest.approx(0.1174302, abs=1e-6)


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([1, 2]), np.array([False, True, True, False, False, False])])
def test_slices_are_batches(rows: slice) -> None:
    part = ALL[rows]
    assert len(part) == 2
    assert part.history(2).tolist() == [[8, 7], [0, 0]]
    assert part.time.tolist() == [300, 100]


def test_an_empty_batch_has_empty_arrays() -> None:
    none = ALL[:0]
    assert none.history(5).shape == (0, 5)
    assert none.context().shape == (0, 4)
    assert [len(part) for part in none.seen()] == [0, 0]


def test_asking_without_a_history_is_a_query_too() -> None:
    one = ask(np.zeros(0, np.int32), np.zeros(0, np.int64), 1_700_000_000)
    assert one.history(3).tolist() == [[0, 0, 0]]
    assert one.context()[0, 2:].tolist() == [1.0, 0.0]
    assert [len(part) for part in one.seen()] == [0, 0]


def test_what_is_asked_online_equals_the_offline_query_bit_for_bit() -> None:
    log = random_log(seed=3, users=8, items=12, rows=300)
    lines = timelines(log, 8)
    offline = queries(log, lines)
    assert len(offline) > 50
    for row in range(len(offline)):
        start = lines.starts[offline.user[row]]
        known = slice(int(start), int(start + offline.end[row]))
        online = ask(lines.items[known], lines.times[known], int(offline.time[row]))
        one = offline[row : row + 1]
        assert online.history(20).tobytes() == one.history(20).tobytes()
        assert online.context().tobytes() == one.context().tobytes()
        assert online.seen()[1].tolist() == one.seen()[1].tolist()


def test_files_hold_the_same_queries_and_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        LINES.write(tmp_path / f"{name}-lines.npz")
        ALL.write(tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a-lines.npz").read_bytes() == (tmp_path / "b-lines.npz").read_bytes()
    found = Queries.read(tmp_path / "a.npz", Timelines.read(tmp_path / "a-lines.npz"))
    assert found.history(4).tolist() == ALL.history(4).tolist()
    assert found.target.tolist() == ALL.target.tolist()
    assert found.context().tobytes() == ALL.context().tobytes()
