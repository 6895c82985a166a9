"""The front, and the picture and page that show it."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image

from evaluation import pareto
from evaluation.pareto import Point, Words
from evaluation.significance import Interval

WORDS = Words("Bytes against quality", "NDCG@10 of the test", "p50, ms")


def point(name: str, size_bytes: float, value: float) -> Point:
    return Point(name, size_bytes, Interval(value, value - 0.01, value + 0.01), size_bytes / 100, {"chosen": "yes"})


POINTS = [
    point("float32", 1000, 0.30),
    point("tied-8", 100, 0.30),
    point("tied-4", 50, 0.25),
    point("worse <&> larger", 200, 0.28),
    point("broken", 40, 0.01),
]


def test_the_front_is_those_that_none_is_smaller_and_better_than() -> None:
    sizes, values = [one.size_bytes for one in POINTS], [one.quality.value for one in POINTS]
    assert pareto.front(sizes, values).tolist() == [False, True, True, False, True]
    assert pareto.front([100, 100], [0.3, 0.3]).tolist() == [True, True]


def test_the_page_needs_nothing_else_and_says_every_figure(tmp_path: Path) -> None:
    pareto.write(tmp_path / "a/one.png", tmp_path / "one.html", POINTS, WORDS, reference=0.30)
    page = (tmp_path / "one.html").read_text()
    svg = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + len("</svg>")])
    titles = [found.text or "" for found in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(POINTS)
    assert "worse <&> larger: 200 bytes, NDCG@10 of the test 0.2800 (0.2700 to 0.2900), p50, ms 2" in titles
    assert "<td>tied-4</td><td>50</td><td>0.2500</td><td>0.2400 to 0.2600</td><td>0.5</td><td>yes</td>" in page
    loaded = re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"|url\((?!#)([^)]*)\)|<script|@import', page)
    assert loaded == []
    assert matplotlib.image.imread(tmp_path / "a/one.png").std() > 0.01


def test_the_same_points_are_the_same_bytes_and_others_are_not(tmp_path: Path) -> None:
    changed = [*POINTS[:-1], replace(POINTS[-1], size_bytes=30)]
    for name, points in (("one", POINTS), ("two", POINTS[::-1]), ("other", changed)):
        pareto.write(tmp_path / f"{name}.png", tmp_path / f"{name}.html", points, WORDS)
    for ending in ("png", "html"):
        one, two, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two", "other"))
        assert one == two != other
