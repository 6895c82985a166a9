"""The table of items that nobody has taken yet, for README.md, from its results in long form."""

from collections.abc import Sequence
from typing import Final

from benchmarks.markdown import head, line
from benchmarks.results import Result

METRIC: Final = "recall_at_100"


def found(results: Sequence[Result]) -> str:
    """Markdown: each model's share of withheld items among its first 100, and how many times that of chance."""
    by_key = {(result.subject, result.metric): result for result in results}
    lines = head("model", f"{METRIC} of withheld items", "times random", "95% interval")
    for (subject, metric), result in by_key.items():
        if metric == METRIC:
            times = by_key[subject, f"{METRIC} against random"]
            lines.append(
                line(subject, f"{result.value:.1%}", f"{times.value:.2f}", f"{times.low:.2f} to {times.high:.2f}")
            )
    return "\n".join(lines)
