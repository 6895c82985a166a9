"""Recall against speed: docs/results/index.png, from the results in long form."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot

from benchmarks.results import Result

INKS: Final = ("#1b6ca8", "#d1495b", "#edae49", "#66a182", "#8d6a9f")
EFFORT: Final = ", effort "
ONE: Final = "one thread, 1 at a time"


def draw(results: Sequence[Result], path: Path) -> None:
    """One panel a data set: the curve of each engine from least to most effort, and the speed of the exact product."""
    sets = list(dict.fromkeys(one.dataset for one in results))
    engines = dict.fromkeys(one.subject.partition(EFFORT)[0] for one in results if EFFORT in one.subject)
    inks = dict(zip(engines, INKS, strict=False))
    figure, panels = pyplot.subplots(1, len(sets), figsize=(4.6 * len(sets), 4.2), squeeze=False)
    for axes, dataset in zip(panels[0], sets, strict=True):
        found = [one for one in results if one.dataset == dataset]
        for engine, ink in inks.items():
            points = [one for one in found if one.subject.startswith(engine + EFFORT)]
            if not points:
                continue
            recall = [one.value for one in points if one.metric == "recall_at_10"]
            speed = [one.value for one in points if one.metric == "queries per second" and one.protocol == ONE]
            axes.plot(recall, speed, "o-", color=ink, label=engine, markersize=3)
        for one in found:
            if one.subject.startswith("limit/") and one.protocol == ONE:
                axes.axhline(one.value, color="#9aa5b1", linestyle="--", label=one.subject)
        axes.set(title=dataset, xlabel="recall@10 against exact", yscale="log")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("queries per second, one at a time, one thread")
    panels[0][0].legend(fontsize=7)
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)
