"""Pictures of an evaluation, as PNG so that `dvc plots show` opens without a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.protocol import Ranking
from evaluation.report import ALL, Row
from evaluation.significance import Interval
from evaluation.slices import COLUMN_END, GROUP, KIND_END

OURS: Final = "#1b6ca8"
OTHERS: Final = "#9aa5b1"


def quality(path: Path, rows: Sequence[Row], *, metric: str, ours: set[str], confidence: float, protocol: str) -> None:
    """Each subject's metric with its interval, best at the top."""
    found = sorted(
        (interval.value, subject, interval)
        for subject, group, name, interval, _ in rows
        if (group, name) == (ALL, metric)
    )
    figure, axis = plt.subplots(figsize=(8, 0.5 * len(found) + 1.4))
    for place, (value, subject, interval) in enumerate(found):
        colour = OURS if subject in ours else OTHERS
        # Rounding can move a bound past the value, and matplotlib refuses a negative length.
        error = np.maximum([[value - interval.low], [interval.high - value]], 0)
        axis.barh(place, value, color=colour, xerr=error, capsize=3)
        axis.text(interval.high, place, f"  {value:.4f}", va="center", fontsize=9)
    axis.set_yticks(range(len(found)), [subject for _, subject, _ in found])
    axis.set_xlabel(f"{metric}, {protocol} next-item, {confidence:.0%} interval over users")
    axis.margins(x=0.12)
    _save(figure, path)


def slices(path: Path, rows: Sequence[Row], *, metric: str, subjects: Sequence[str]) -> None:
    """The metric of a few subjects in each coarse slice."""
    figure, axis = plt.subplots(figsize=(8, 4))
    _bars(axis, rows, metric=metric, subjects=subjects, kind="")
    axis.legend(frameon=False)
    _save(figure, path)


def fine_slices(path: Path, rows: Sequence[Row], *, metric: str, subjects: Sequence[str]) -> None:
    """The metric of a few subjects in each fine slice, one panel a kind; nothing is drawn without fine slices."""
    kinds = [kind for kind in dict.fromkeys(_kind(group) for _, group, *_ in rows) if kind]
    if not kinds:
        return
    figure, axes = plt.subplots(len(kinds), figsize=(10, 3.4 * len(kinds)), squeeze=False)
    for axis, kind in zip(axes[:, 0], kinds, strict=True):
        _bars(axis, rows, metric=metric, subjects=subjects, kind=kind)
        axis.set_title(kind, loc="left", fontsize=10)
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    _save(figure, path)


def _kind(group: str) -> str:
    """What the slices of one panel have in common; "" for a coarse slice."""
    return _parts(group)[0]


def _parts(group: str) -> tuple[str, str]:
    """Kind and rest of a slice's name; groups of users are of a kind by their column."""
    kind, end, rest = group.partition(KIND_END)
    if not end:
        return "", group
    column, equals, label = rest.partition(COLUMN_END)
    return (f"{kind}{KIND_END}{column}", label) if kind == GROUP and equals else (kind, rest)


def _bars(axis: Axes, rows: Sequence[Row], *, metric: str, subjects: Sequence[str], kind: str) -> None:
    """One bar for each subject in each slice of a kind; a subject without a value there has none."""
    found = {(subject, group): (interval, count) for subject, group, name, interval, count in rows if name == metric}
    groups = [group for group in dict.fromkeys(group for _, group in found) if _kind(group) == kind]
    width = 0.8 / len(subjects)
    for position, subject in enumerate(subjects):
        places = [place for place, group in enumerate(groups) if (subject, group) in found]
        spans = [found[subject, groups[place]][0] for place in places]
        level = np.array([span.value for span in spans])
        error = np.abs(np.array([(span.low, span.high) for span in spans]).reshape(-1, 2).T - level)
        axis.bar(np.array(places) + position * width, level, width, yerr=error, capsize=2, label=subject)
    labels = [f"{_parts(group)[1]}\n{_queries(found, group):,} queries" for group in groups]
    axis.set_xticks(np.arange(len(groups)) + width * (len(subjects) - 1) / 2, labels, fontsize=9)
    axis.set_ylabel(metric)


def _queries(found: Mapping[tuple[str, str], tuple[Interval, int]], group: str) -> int:
    return max(count for (_, name), (_, count) in found.items() if name == group)


def ranks(path: Path, rankings: Mapping[str, Ranking], *, ours: set[str]) -> None:
    """Share of queries whose target stands among the first k, for every k: recall as a curve."""
    figure, axis = plt.subplots(figsize=(8, 4))
    cutoffs = np.unique(np.geomspace(1, 1000, 60).astype(int))
    for subject, ranking in rankings.items():
        found = np.sort(ranking.rank[ranking.rank > 0])
        share = np.searchsorted(found, cutoffs, side="right") / len(ranking.rank)
        axis.plot(cutoffs, share, label=subject, linewidth=2 if subject in ours else 1)
    axis.set_xscale("log")
    axis.set_xlabel("k")
    axis.set_ylabel("recall_at_k")
    axis.legend(frameon=False, fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
