"""The quality benchmarks' tables for README.md, from their results in long form."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from benchmarks.markdown import head, line
from benchmarks.results import Result

PREFIX: Final = "podium/"
CHOSEN: Final = "-chosen"
DATASET: Final = "movielens-100k"
PAPERS: Final = "movielens-1m"
"""Last item of each user; recall_at_10 is what they call HR@10."""
COLUMNS: Final = ("ndcg_at_10", "recall_at_10", "mrr_at_10", "recall_at_100")
PAPER_COLUMNS: Final = ("ndcg_at_10", "recall_at_10", "bytes", "times smaller than the float SavedModel")


def tables(results: Sequence[Result]) -> str:
    """Markdown with its captions: MovieLens-100K's models, differences and variants, then MovieLens-1M's."""
    usual, papers = ([result for result in results if result.dataset == dataset] for dataset in (DATASET, PAPERS))
    ours = [result for result in usual if result.benchmark == "quality"]
    parts = [
        ("", _quality([result for result in usual if CHOSEN not in result.subject], COLUMNS)),
        ("What a row's ndcg_at_10 has more than a column's, with its paired 95% interval:", _differences(ours)),
        (
            "The variants that the rule chose on validation, one value for each seed. Uncompressed is a two-tower or "
            "sequence model with its index as a float SavedModel, of a blend the sum of its parts', of any other the "
            "float form:",
            _variants(ours),
        ),
        ("MovieLens-1M:", _quality(papers, PAPER_COLUMNS)),
    ]
    return "\n\n".join(text for caption, lines in parts for text in (caption, "\n".join(lines)) if text)


def _quality(results: list[Result], columns: Sequence[str]) -> list[str]:
    """Subjects, the best first; a figure that a subject does not have leaves its cell empty."""
    by_key = {(result.subject, result.metric): result for result in results}
    subjects = list(dict.fromkeys(result.subject for result in results if result.metric == columns[0]))
    lines = head("model", *columns, "95% interval of ndcg_at_10")
    for subject in sorted(subjects, key=lambda name: -by_key[name, columns[0]].value):
        interval = by_key[subject, columns[0]]
        cells = [_cell(by_key.get((subject, metric))) for metric in columns]
        lines.append(line(subject, *cells, f"{interval.low:.4f} to {interval.high:.4f}"))
    return lines


def _differences(results: list[Result]) -> list[str]:
    """Over all seeds, our models and what they are compared with; the best first, both ways."""
    found: dict[str, dict[str, Result]] = {}
    for result in results:
        metric, minus, other = result.metric.partition(" - ")
        if minus and metric == COLUMNS[0] and ", seed " not in other:
            found.setdefault(result.subject.removeprefix(PREFIX), {})[other] = result
    # Whoever gains most on the same opponent is best; the opponents follow by how little is gained on them.
    rows = sorted(found, key=lambda name: -max(one.value for one in found[name].values()))
    others = found[rows[0]] if rows else {}
    columns = [*rows[:1], *sorted(others, key=lambda other: others[other].value)]
    lines = head("", *columns)
    for row in rows:
        cells = [found[row].get(column) for column in columns]
        lines.append(
            line(row, *(f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" if one else "" for one in cells))
        )
    return lines


def _variants(results: list[Result]) -> list[str]:
    """By model: which variant, how many times smaller, and what became of its quality."""
    which, smaller, changes = (defaultdict[str, list[str]](list) for _ in range(3))
    for result in results:
        model, chosen, rest = result.subject.removeprefix(PREFIX).partition(CHOSEN)
        if chosen and result.unit == "ratio":
            which[model].append(rest[rest.index("(") + 1 : rest.index(")")])
            smaller[model].append(f"{result.value:.2f}")
        elif chosen and " change " in result.metric:
            changes[model].append(f"{result.value:+.2%} [{result.low:+.2%}, {result.high:+.2%}]")
    lines = head("model", "variant", "times smaller than uncompressed", "change of ndcg_at_10 from float")
    return lines + [line(model, *(", ".join(cell[model]) for cell in (which, smaller, changes))) for model in which]


def _cell(found: Result | None) -> str:
    if found is None:
        return ""
    return {"bytes": f"{found.value:,.0f}", "ratio": f"{found.value:.2f}"}.get(found.unit, f"{found.value:.4f}")
