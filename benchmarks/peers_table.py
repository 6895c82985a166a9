"""The peers' table and picture: docs/results/peers.md and peers.png, from the results in long form."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot

import durable
from benchmarks.markdown import head, line
from benchmarks.results import Result

METRICS: Final = ("ndcg_at_10", "recall_at_10", "mrr_at_10", "recall_at_100")
COSTS: Final = (("fit seconds", 1.0, "fit s"), ("peak memory", 1e6, "peak MB"), ("model", 1e6, "model MB"))
INK: Final = {"podium": "#1b6ca8", "peer": "#9aa5b1"}


def draw(results: Sequence[Result], folder: Path, *, dataset: str = "movielens-100k") -> None:
    """Writes both.

    Args:
        results: all that is known.
        folder: where to.
        dataset: whose results are shown.
    """
    found = {(one.subject, one.metric): one for one in results if one.dataset == dataset}
    names = [subject for subject, metric in found if metric == METRICS[0] and not subject.endswith("-chosen")]
    names.sort(key=lambda name: -found[name, METRICS[0]].value)
    durable.write_bytes(folder / "peers.md", _table(found, names, dataset).encode())
    _picture(found, names, folder / "peers.png")


def _table(found: dict[tuple[str, str], Result], names: list[str], dataset: str) -> str:
    heads = ["model", *METRICS, "95% interval of ndcg_at_10", *(head for _, _, head in COSTS)]
    lines = head(*heads)
    for name in names:
        interval = found[name, METRICS[0]]
        cells = [name, *(f"{found[name, metric].value:.4f}" for metric in METRICS)]
        cells.append(f"{interval.low:.4f} to {interval.high:.4f}")
        for metric, scale, _ in COSTS:
            cost = found.get((name, metric))
            cells.append(f"{cost.value / scale:,.1f}" if cost else "")
        lines.append(line(*cells))
    lines += ["", "Differences of NDCG@10, paired by query, with their 95% intervals:", ""]
    lines += head("ours - peer", "difference", "95% interval")
    for (subject, metric), one in found.items():
        if one.benchmark == "peers" and " - " in metric:
            peer = metric.rpartition(" - ")[2]
            lines.append(line(f"{subject} - {peer}", f"{one.value:+.4f}", f"{one.low:+.4f} to {one.high:+.4f}"))
    commands = sorted({one.command for one in found.values()})
    title = f"# {dataset}: our models and their peers\n\nMade by {' and '.join(f'`{one}`' for one in commands)}.\n\n"
    return title + "\n".join(lines) + "\n"


def _picture(found: dict[tuple[str, str], Result], names: list[str], path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(8, 0.36 * len(names) + 1))
    for place, name in enumerate(reversed(names)):
        one = found[name, METRICS[0]]
        spread = [[one.value - one.low], [one.high - one.value]]
        axes.barh(place, one.value, xerr=spread, color=INK[name.partition("/")[0]], capsize=3)
        axes.text(one.high, place, f"  {one.value:.4f}", va="center", fontsize=8)
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_xlabel("NDCG@10 of the test, temporal next-item, 95% interval over users")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)
