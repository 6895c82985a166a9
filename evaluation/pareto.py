"""Bytes against quality, and the front: those that none is both smaller and better than. As PNG and as a page.

The page needs nothing but itself: the picture as SVG, whose points say their figures when the mouse is on them, and the
same figures as a table below it.
"""

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")
import numpy as np
import numpy.typing as npt
from matplotlib import cm, pyplot, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

import durable
from evaluation.significance import Interval

FAR: Final = 0.1
"""Share of the reference's quality; what is further below it stands as a triangle on the lower border, or nothing else
could be told apart."""
LINE: Final = "#9aa5b1"
STYLE: Final = (
    "body{font:14px sans-serif;margin:2em;max-width:75em}svg{max-width:100%;height:auto}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}"
)


@dataclass(frozen=True)
class Point:
    """One subject."""

    name: str
    size_bytes: float
    """On disk."""
    quality: Interval
    colour: float
    """A third figure, such as latency."""
    said: dict[str, str] = field(default_factory=dict)
    """Further columns of the page's table."""


@dataclass(frozen=True)
class Words:
    """What the picture says of its axes."""

    title: str
    quality: str
    """Of the vertical axis."""
    colour: str
    """Of the bar beside it."""


def front(sizes: Sequence[float], qualities: Sequence[float]) -> npt.NDArray[np.bool_]:
    """[n] whether no other is as small and as good, and smaller or better."""
    size, value = np.array(sizes), np.array(qualities)
    covers = (size[:, None] <= size) & (value[:, None] >= value) & ((size[:, None] < size) | (value[:, None] > value))
    found: npt.NDArray[np.bool_] = np.logical_not(np.any(covers, axis=0, keepdims=True))[0]
    return found


def write(png: Path, page: Path, points: Sequence[Point], words: Words, *, reference: float | None = None) -> None:
    """Writes picture and page; the bytes depend on the arguments alone.

    Args:
        png: of the picture.
        page: HTML.
        points: at least one, of at least one byte.
        words: of the axes.
        reference: a quality; see FAR. None draws all where they are.
    """
    ordered = sorted(points, key=lambda point: (point.size_bytes, point.name))
    floor = -np.inf if reference is None else (1 - FAR) * reference
    with rc_context({"svg.hashsalt": "pareto", "svg.fonttype": "none"}):
        figure = _picture(ordered, words, floor)
        pixels, drawing = io.BytesIO(), io.BytesIO()
        figure.savefig(pixels, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
        figure.savefig(drawing, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    for path, data in ((png, pixels.getvalue()), (page, _page(ordered, words, drawing.getvalue().decode()).encode())):
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(path, data)


def _ahead(points: Sequence[Point]) -> npt.NDArray[np.bool_]:
    return front([point.size_bytes for point in points], [point.quality.value for point in points])


def _picture(points: Sequence[Point], words: Words, floor: float) -> Figure:
    figure, axes = pyplot.subplots(figsize=(11, 6.5))
    best = [point for point, ahead in zip(points, _ahead(points), strict=True) if ahead]
    steps = [max(point.quality.value, floor) for point in best]
    axes.step([point.size_bytes / 1e3 for point in best], steps, where="post", color=LINE, linewidth=1, zorder=1)
    colours = [point.colour for point in points]
    shades = cm.ScalarMappable(Normalize(min(colours), max(colours)), "viridis")
    for place, point in enumerate(points):
        _draw(axes, place, point, shades, floor)
    said = [f"{place + 1}  {point.name}  ({point.quality.value:.4f})" for place, point in enumerate(points)]
    axes.text(1.22, 1, "\n".join(said), transform=axes.transAxes, va="top", fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("kilobytes on disk (log)")
    axes.set_ylabel(words.quality)
    axes.spines[["top", "right"]].set_visible(False)
    figure.colorbar(shades, ax=axes, label=words.colour)
    return figure


def _draw(axes: Axes, place: int, point: Point, shades: cm.ScalarMappable, floor: float) -> None:
    """A point with its interval, as far as it is above the floor, and its number."""
    quality, size = point.quality, point.size_bytes / 1e3
    value, low, high = (max(level, floor) for level in (quality.value, quality.low, quality.high))
    axes.vlines(size, low, high, color=LINE, linewidth=1, alpha=0.6, zorder=1)
    marker, colour = "o" if quality.value >= floor else "v", shades.to_rgba(np.array([point.colour]))
    axes.scatter([size], [value], color=colour, marker=marker, s=60, zorder=2, gid=_id(place))
    spot = (4 + 9 * (place % 2), 5 if place % 3 else -11)
    axes.annotate(str(place + 1), (size, value), xytext=spot, textcoords="offset points", fontsize=8)


def _id(place: int) -> str:
    return f"point-{place + 1}"


def _page(points: Sequence[Point], words: Words, drawing: str) -> str:
    svg = drawing[drawing.index("<svg") :]
    for place, point in enumerate(points):
        group = f'<g id="{_id(place)}">'
        svg = svg.replace(group, f"{group}<title>{html.escape(_told(point, words))}</title>")
    columns = list(dict.fromkeys(name for point in points for name in point.said))
    heads = ["", "bytes on disk", words.quality, "interval", words.colour, "on the front", *columns]
    rows = [_cells(point, ahead, columns) for point, ahead in zip(points, _ahead(points), strict=True)]
    lines = [_row("th", heads), *(_row("td", row) for row in rows)]
    title = html.escape(words.title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"</head>\n<body><h1>{title}</h1>\n{svg}\n<table>\n" + "\n".join(lines) + "\n</table></body></html>\n"
    )


def _told(point: Point, words: Words) -> str:
    quality = f"{point.quality.value:.4f} ({point.quality.low:.4f} to {point.quality.high:.4f})"
    return f"{point.name}: {point.size_bytes:,.0f} bytes, {words.quality} {quality}, {words.colour} {point.colour:.3g}"


def _cells(point: Point, ahead: bool, columns: Sequence[str]) -> list[str]:
    quality = point.quality
    cells = [point.name, f"{point.size_bytes:,.0f}", f"{quality.value:.4f}", f"{quality.low:.4f} to {quality.high:.4f}"]
    return [*cells, f"{point.colour:.3g}", "yes" if ahead else "", *(point.said.get(name, "") for name in columns)]


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
