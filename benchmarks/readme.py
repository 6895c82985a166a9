"""Writes the result tables of README.md from docs/results/quality.csv; `--check` only compares."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import durable
from benchmarks.results import FOLDER, Result, read

README: Final = Path("README.md")
BEGIN: Final = "<!-- results: made by `python -m benchmarks.readme`, do not edit -->"
END: Final = "<!-- end of results -->"
DATASET: Final = "movielens-100k"
PAPERS: Final = "movielens-1m"
"""Last item of each user; recall_at_10 is what they call HR@10."""
COLUMNS: Final = ("ndcg_at_10", "recall_at_10", "mrr_at_10", "recall_at_100")
PAPER_COLUMNS: Final = ("ndcg_at_10", "recall_at_10", "bytes", "times smaller than the float SavedModel")


def main(arguments: list[str]) -> int:
    """Updates the README, or says that it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the README is out of date")
    check = parser.parse_args(arguments).check
    text = README.read_text()
    updated = replaced(text, "\n\n".join(tables(read(FOLDER / "quality.csv"))))
    if check:
        return int(updated != text)
    durable.write_bytes(README, updated.encode())
    return 0


def replaced(text: str, tables: str) -> str:
    """`text` with what stands between the two marks replaced."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{README}: must hold the lines {BEGIN!r} and {END!r}")
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}"


def tables(results: list[Result]) -> list[str]:
    """Markdown: quality of each subject on MovieLens-100K, differences with intervals, sizes; then the papers'."""
    usual, papers = ([result for result in results if result.dataset == dataset] for dataset in (DATASET, PAPERS))
    claims = _claims([result for result in usual if result.benchmark == "quality"])
    return ["\n".join(lines) for lines in (_quality(usual, COLUMNS), claims, _quality(papers, PAPER_COLUMNS))]


def _quality(results: list[Result], columns: Sequence[str]) -> list[str]:
    """Subjects, the best first; a figure that a subject does not have leaves its cell empty."""
    by_key = {(result.subject, result.metric): result for result in results}
    subjects = list(dict.fromkeys(result.subject for result in results if result.metric == columns[0]))
    lines = [_line("model", *columns, "95% interval of ndcg_at_10"), _line("---", *["---:"] * (len(columns) + 1))]
    for subject in sorted(subjects, key=lambda name: -by_key[name, columns[0]].value):
        interval = by_key[subject, columns[0]]
        cells = [_cell(by_key.get((subject, metric))) for metric in columns]
        lines.append(_line(subject, *cells, f"{interval.low:.4f} to {interval.high:.4f}"))
    return lines


def _cell(found: Result | None) -> str:
    if found is None:
        return ""
    return {"bytes": f"{found.value:,.0f}", "ratio": f"{found.value:.2f}"}.get(found.unit, f"{found.value:.4f}")


def _claims(results: list[Result]) -> list[str]:
    """What is claimed beyond the means: differences over all seeds, changes and sizes by seed."""
    lines = [_line("claim", "value", "95% interval"), _line("---", "---:", "---:")]
    for result in results:
        name = f"{result.subject}: {result.metric}"
        if " - " in result.metric and "seed" not in result.metric:
            lines.append(_line(name, f"{result.value:+.4f}", f"{result.low:+.4f} to {result.high:+.4f}"))
        elif " change " in result.metric:
            lines.append(_line(name, f"{result.value:+.2%}", f"{result.low:+.2%} to {result.high:+.2%}"))
        elif result.unit == "ratio":
            lines.append(_line(name, f"{result.value:.2f}", ""))
    return lines


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
