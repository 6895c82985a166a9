"""The table of every model alone, for README.md, from its results in long form."""

from collections.abc import Sequence
from typing import Final

from benchmarks.markdown import head, line
from benchmarks.results import Result

VALIDATION: Final = "validation ndcg_at_10"
METRICS: Final = ("ndcg_at_10", "recall_at_10", "recall_at_100")


def alone(results: Sequence[Result]) -> str:
    """Markdown: each model, the best on validation first, and what the test says of it."""
    by_key = {(result.subject, result.metric): result for result in results}
    lines = head("model", VALIDATION, "least and most of a seed", *METRICS, f"95% interval of {METRICS[0]}")
    for subject in sorted({one for one, _ in by_key}, key=lambda one: -by_key[one, VALIDATION].value):
        chosen, test = by_key[subject, VALIDATION], by_key[subject, METRICS[0]]
        lines.append(
            line(
                subject,
                f"{chosen.value:.4f}",
                f"{chosen.low:.4f} to {chosen.high:.4f}",
                *(f"{by_key[subject, metric].value:.4f}" for metric in METRICS),
                f"{test.low:.4f} to {test.high:.4f}",
            )
        )
    return "\n".join(lines)
