"""Writes the result tables of README.md from docs/results/quality.csv; `--check` only compares."""

import argparse
import sys
from pathlib import Path
from typing import Final

import durable
from benchmarks.results import FOLDER, Result, read

README: Final = Path("README.md")
BEGIN: Final = "<!-- results: made by `python -m benchmarks.readme`, do not edit -->"
END: Final = "<!-- end of results -->"
DATASET: Final = "movielens-100k"
COLUMNS: Final = ("ndcg_at_10", "recall_at_10", "mrr_at_10", "recall_at_100")


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
    """Markdown: quality of each subject on MovieLens-100K, differences with their intervals, sizes."""
    results = [result for result in results if result.dataset == DATASET]
    by_key = {(result.subject, result.metric): result for result in results}
    subjects = list(dict.fromkeys(result.subject for result in results if result.metric == COLUMNS[0]))
    quality = [_line("model", *COLUMNS, "95% interval of ndcg_at_10"), _line("---", *["---:"] * (len(COLUMNS) + 1))]
    for subject in sorted(subjects, key=lambda name: -by_key[name, COLUMNS[0]].value):
        interval = by_key[subject, COLUMNS[0]]
        cells = [f"{by_key[subject, metric].value:.4f}" for metric in COLUMNS]
        quality.append(_line(subject, *cells, f"{interval.low:.4f} to {interval.high:.4f}"))
    ours = [result for result in results if result.benchmark == "quality"]
    return ["\n".join(quality), "\n".join(_claims(ours))]


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
