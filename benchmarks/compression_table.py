"""The compression benchmark's results as Markdown tables, and as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.markdown import head, line
from benchmarks.results import Result
from evaluation import pareto
from evaluation.pareto import Point, Words
from evaluation.significance import Interval
from models.variants import PARENT

PRIMARY: Final = "ndcg_at_10"
CHANGE: Final = "change of ndcg_at_10 from float"
FROM_CONTROL: Final = "change of ndcg_at_10 from control"
TIMES: Final = "times smaller than the float SavedModel and index"
COMMAND: Final = "python -m benchmarks.compression"
SEEDS: Final = "mean of the seeds"
EACH: Final = "each seed's own choice"
"""Beside the contestants of all seeds, and none itself."""
PREFIX: Final = "podium/transformer-"
"""Of a contestant's subject, before its name."""
TITLES: Final = {"movielens-100k": "MovieLens-100K", "movielens-1m": "MovieLens-1M"}
HEAD: Final = f"""# The compression tournament of the sequence model

Made by `{COMMAND}`. Quality on the test; chosen on validation. Scoring alone, without the list and without HTTP.
"""

Contestants = Mapping[str, Mapping[str, Result]]
"""Contestant -> metric -> its figure."""


def markdown(found: Sequence[Result]) -> str:
    """All of it: by data set, what the seeds come to and then each seed's contestants, the smallest first."""
    parts = [HEAD]
    for dataset in dict.fromkeys(one.dataset for one in found):
        ours = [one for one in found if one.dataset == dataset]
        title, seeds = f"{TITLES.get(dataset, dataset)}, {ours[0].protocol}", _seeds(ours)
        if SEEDS in seeds:
            parts.append(f"## {title}, {SEEDS}\n\n{_summary(of_seed(ours, SEEDS), _changes(ours))}")
        parts += [f"## {title}, {seed}\n\n{_table(of_seed(ours, seed))}" for seed in seeds if seed != SEEDS]
    return "\n".join(parts)


def best(found: Sequence[Result]) -> str:
    """By data set, what the seeds come to of those contestants that no other is both smaller and better than."""
    parts = []
    for dataset in dict.fromkeys(one.dataset for one in found):
        ours = [one for one in found if one.dataset == dataset]
        of = {name: one for name, one in of_seed(ours, SEEDS).items() if name != EACH}
        if of:
            sizes, changes = [1 / one[TIMES].value for one in of.values()], [one[CHANGE].value for one in of.values()]
            ahead = pareto.front(sizes, changes)
            kept = {name: one for (name, one), so in zip(of.items(), ahead, strict=True) if so or one["chosen"].value}
            parts += [f"{TITLES.get(dataset, dataset)}, {SEEDS}:", _summary(kept, _changes(ours)).rstrip()]
    return "\n\n".join(parts)


def of_seed(found: Sequence[Result], seed: str) -> Contestants:
    """The contestants of one seed, or of what the seeds come to, as a subject names it behind its comma."""
    of: dict[str, dict[str, Result]] = {}
    for one in found:
        name, _, its_seed = one.subject.removeprefix(PREFIX).partition(", ")
        if its_seed == seed and one.subject.startswith("podium/"):
            of.setdefault(name, {})[one.metric] = one
    return of


def draw(found: Sequence[Result], dataset: str, png: Path, page: Path) -> None:
    """The first seed of a data set: bytes against NDCG@10, latency as colour, and the front of the best."""
    ours = [one for one in found if one.dataset == dataset]
    seed = next(seed for seed in _seeds(ours) if seed != SEEDS)
    of = of_seed(ours, seed)
    points = [
        Point(
            name=name,
            size_bytes=one["bytes"].value,
            quality=Interval(one[PRIMARY].value, one[PRIMARY].low, one[PRIMARY].high),
            colour=one["p50 of 1 query"].value,
            said={
                "change from float": f"{one[CHANGE].value:+.2%} ({_range(one[CHANGE])})",
                "top-10 overlap": f"{one['top-10 overlap with float'].value:.3f}",
                "training s": _seconds(one),
                "resident MB": f"{one['resident memory'].value / 1e6:.1f}",
                "CPU s, 1,000": f"{one['CPU seconds of 1,000 queries'].value:.2f}",
                "chosen": "yes" if one["chosen"].value else "",
            },
        )
        for name, one in of.items()
    ]
    words = Words(
        title=f"The compression tournament of the sequence model, {TITLES.get(dataset, dataset)}, {seed}",
        quality="NDCG@10 of the test",
        colour="p50 of one query, ms",
    )
    pareto.write(png, page, points, words, reference=of[PARENT][PRIMARY].value)


def _seeds(found: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(one.subject.partition(", ")[2] for one in found if one.subject.startswith("podium/")))


def _table(of: Contestants) -> str:
    heads = ["contestant", "bytes", "times smaller", "ndcg_at_10", "change from float", "95% interval", "from control"]
    heads += ["top-10 overlap", "training s", "load ms", "resident MB", "p50 ms, 1", "p99 ms, 1", "p50 ms, 64"]
    heads += ["CPU s, 1,000"]
    lines = head(*heads)
    for name, one in sorted(of.items(), key=lambda found: found[1]["bytes"].value):
        change, control = one[CHANGE], one.get(FROM_CONTROL)
        cells = [_named(name, one), f"{one['bytes'].value:,.0f}"]
        cells += [f"{one[TIMES].value:.2f}", f"{one[PRIMARY].value:.4f}", f"{change.value:+.2%}", _range(change)]
        cells += [f"{control.value:+.2%} ({_range(control)})" if control else ""]
        cells += [f"{one['top-10 overlap with float'].value:.3f}", _seconds(one), f"{one['load'].value:.0f}"]
        cells += [f"{one['resident memory'].value / 1e6:.1f}", f"{one['p50 of 1 query'].value:.2f}"]
        cells += [f"{one['p99 of 1 query'].value:.2f}", f"{one['p50 of 64 queries'].value:.1f}"]
        cells += [f"{one['CPU seconds of 1,000 queries'].value:.2f}"]
        lines.append(line(*cells))
    return "\n".join(lines) + "\n"


def _summary(of: Contestants, changes: Mapping[str, Sequence[float]]) -> str:
    heads = ["contestant", "times smaller", "change from float", "95% interval", "least and most of a seed"]
    lines = head(*heads, "from control", "chosen by a seed")
    for name, one in sorted(of.items(), key=lambda found: -found[1][TIMES].value):
        change, control = one[CHANGE], one.get(FROM_CONTROL)
        cells = [_named(name, one), f"{one[TIMES].value:.2f}", f"{change.value:+.2%}", _range(change)]
        cells += [f"{min(changes[name]):+.2%} to {max(changes[name]):+.2%}" if name in changes else ""]
        cells += [f"{control.value:+.2%} ({_range(control)})" if control else ""]
        cells += [f"{one['chosen by a seed'].value:.0%}"]
        lines.append(line(*cells))
    return "\n".join(lines) + "\n"


def _changes(found: Sequence[Result]) -> Mapping[str, Sequence[float]]:
    """Contestant -> the change from its float model of each seed: how much they differ, no interval over users says."""
    of: dict[str, list[float]] = {}
    for seed in _seeds(found):
        for name, one in of_seed(found, seed).items() if seed != SEEDS else ():
            of.setdefault(name, []).append(one[CHANGE].value)
    return of


def _named(name: str, one: Mapping[str, Result]) -> str:
    return f"**{name}** (chosen)" if one["chosen"].value else name


def _range(one: Result) -> str:
    return f"{one.low:+.2%} to {one.high:+.2%}"


def _seconds(one: Mapping[str, Result]) -> str:
    """What training took; nothing of what was not trained on."""
    return f"{one['training'].value:.0f}" if "training" in one and one["training"].value else ""
