from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from evaluation import plots
from evaluation.protocol import Ranking
from evaluation.significance import Interval

Row = tuple[str, str, str, Interval, int]
ROWS: list[Row] = [
    (subject, group, metric, Interval(value, value * 0.8, value * 1.1), queries)
    for subject, value in (("pruned-int8", 0.2), ("popularity", 0.1))
    for group, queries in (("all", 1200), ("cold", 30), ("warm", 1170))
    for metric in ("ndcg_at_10", "recall_at_10")
]
RANKINGS = {
    "pruned-int8": Ranking(np.array([1, 5, 0, 12, 700], np.int64), np.zeros((5, 0), np.int32)),
    "popularity": Ranking(np.array([0, 0, 0, 900, 4000], np.int64), np.zeros((5, 0), np.int32)),
}


def quality(path: Path, rows: list[Row]) -> None:
    plots.quality(path, rows, metric="ndcg_at_10", ours={"pruned-int8"}, confidence=0.95, protocol="temporal")


def slices(path: Path, rows: list[Row]) -> None:
    plots.slices(path, rows, metric="ndcg_at_10", subjects=["pruned-int8", "popularity"])


def ranks(path: Path, rows: list[Row]) -> None:
    plots.ranks(path, RANKINGS, ours={"pruned-int8"})


@pytest.mark.parametrize("draw", [quality, slices, ranks])
def test_a_picture_is_the_same_bytes_each_time(tmp_path: Path, draw: Callable[[Path, list[Row]], None]) -> None:
    one, two = tmp_path / "plots" / "one.png", tmp_path / "plots" / "two.png"
    draw(one, ROWS)
    draw(two, ROWS)
    picture = matplotlib.image.imread(one)
    assert min(picture.shape[:2]) > 100
    assert picture.std() > 0.01
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("draw", [quality, slices])
def test_another_value_is_another_picture(tmp_path: Path, draw: Callable[[Path, list[Row]], None]) -> None:
    draw(tmp_path / "one.png", ROWS)
    changed = [(*row[:3], Interval(0.15, 0.1, 0.2), row[4]) if row[0] == "popularity" else row for row in ROWS]
    draw(tmp_path / "two.png", changed)
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()


FINE: list[Row] = [
    (subject, group, "ndcg_at_10", Interval(value, value * 0.8, value * 1.1), 40)
    for subject, value in (("pruned-int8", 0.2), ("popularity", 0.1))
    for group in ("history:0", "history:1-4", "category:Drama", "category:War")
]


def test_fine_slices_have_a_picture_of_their_own(tmp_path: Path) -> None:
    slices(tmp_path / "coarse.png", ROWS)
    slices(tmp_path / "mixed.png", ROWS + FINE)
    assert (tmp_path / "coarse.png").read_bytes() == (tmp_path / "mixed.png").read_bytes()
    subjects = ["pruned-int8", "popularity"]
    plots.fine_slices(tmp_path / "fine.png", ROWS + FINE, metric="ndcg_at_10", subjects=subjects)
    plots.fine_slices(tmp_path / "again.png", FINE, metric="ndcg_at_10", subjects=subjects)
    assert (tmp_path / "fine.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    # A subject that has no value in one slice leaves its place empty.
    plots.fine_slices(tmp_path / "gap.png", FINE[:-1], metric="ndcg_at_10", subjects=subjects)
    assert (tmp_path / "fine.png").read_bytes() != (tmp_path / "gap.png").read_bytes()


def test_groups_of_users_have_a_panel_for_each_column(tmp_path: Path) -> None:
    drawn: dict[str, bytes] = {}
    for name in ("group:sex=F", "group:age=F", "history:F"):
        row: Row = ("pruned-int8", name, "ndcg_at_10", Interval(0.1, 0.05, 0.2), 3)
        plots.fine_slices(tmp_path / "one.png", [row], metric="ndcg_at_10", subjects=["pruned-int8"])
        drawn[name] = (tmp_path / "one.png").read_bytes()
    assert len(set(drawn.values())) == 3  # the titles say which

    def height(*names: str) -> int:
        rows: list[Row] = [("pruned-int8", name, "ndcg_at_10", Interval(0.1, 0.05, 0.2), 3) for name in names]
        plots.fine_slices(tmp_path / "some.png", rows, metric="ndcg_at_10", subjects=["pruned-int8"])
        return int(matplotlib.image.imread(tmp_path / "some.png").shape[0])

    alone = height("group:sex=F")
    assert abs(height("group:sex=F", "group:sex=M") - alone) < 10
    assert height("group:sex=F", "group:age=7-25") > 1.8 * alone
    # An equals sign in the name of anything else is part of the name.
    assert abs(height("category:a=1", "category:b=1") - alone) < 10


def test_without_fine_slices_there_is_no_picture(tmp_path: Path) -> None:
    plots.fine_slices(tmp_path / "none.png", ROWS, metric="ndcg_at_10", subjects=["popularity"])
    assert list(tmp_path.iterdir()) == []


def test_an_interval_that_rounding_moved_off_its_value_can_be_drawn(tmp_path: Path) -> None:
    above, below = float(np.nextafter(0.1, 1)), float(np.nextafter(0.1, 0))
    for place, bound in enumerate((above, below)):
        row: Row = ("pruned-int8", "all", "ndcg_at_10", Interval(0.1, bound, bound), 3)
        quality(tmp_path / f"{place}.png", [row])
    assert len(list(tmp_path.iterdir())) == 2


def test_an_interval_without_bounds_can_be_drawn(tmp_path: Path) -> None:
    row: Row = ("pruned-int8", "all", "ndcg_at_10", Interval(0.1, -np.inf, np.inf), 3)
    quality(tmp_path / "one.png", [row])
    plots.slices(tmp_path / "two.png", [row], metric="ndcg_at_10", subjects=["pruned-int8"])
    assert {path.name for path in tmp_path.iterdir()} == {"one.png", "two.png"}
