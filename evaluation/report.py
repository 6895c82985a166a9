"""What evaluation leaves behind: the per-query table, the long table with intervals, the few numbers for DVC, plots."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

import durable
from evaluation.measure import Exam
from evaluation.metrics import Values
from evaluation.protocol import Ranking
from evaluation.significance import Bootstrap, Interval

ALL: Final = "all"
"""The slice of all queries."""
HEADLINE: Final = (
    *("ndcg", "recall", "mrr", "coverage", "novelty", "popularity_share"),
    *("diversity", "serendipity", "miscalibration", "personalization", "gini"),
)

Row = tuple[str, str, str, Interval, int]
"""Subject, slice, metric, its interval, and how many queries it is about."""


Measured = Mapping[str, Mapping[str, Values]]
"""Subject -> metric -> [n] its values, as `Exam.per_query` gives them."""


def per_query(exam: Exam, rankings: Mapping[str, Ranking], measured: Measured) -> pa.Table:
    """One row for each subject and query: who, when, which target at which rank, its slices, every per-query metric.

    A metric that a query does not have is NaN.
    """
    queries, groups = exam.queries, exam.slices() | exam.fine_slices()
    tables = [
        pa.table(
            {
                "subject": pa.array(np.repeat(subject, len(queries))).dictionary_encode(),
                "query": np.arange(len(queries), dtype=np.int32),
                "user": queries.user,
                "time": queries.time,
                "target": queries.target,
                "rank": ranking.rank.astype(np.int32),
                **groups,
                **measured[subject],
            }
        )
        for subject, ranking in rankings.items()
    ]
    return pa.concat_tables(tables).unify_dictionaries()


def values(table: pa.Table, subject: str, metric: str) -> Values:
    """[n] one subject's values of one metric, in query order; NaN where a query has none."""
    rows = table.filter(pyarrow.compute.equal(table["subject"].cast(pa.string()), subject))
    found: Values = rows[metric].to_numpy().astype(np.float64)
    return found


def intervals(exam: Exam, rankings: Mapping[str, Ranking], measured: Measured, bootstrap: Bootstrap) -> list[Row]:
    """(subject, slice, metric, interval, queries) for every subject, slice and metric.

    A mean is over the queries of the slice that have such a value, and `queries` counts these; where there is none,
    there is no row. What all lists have together (coverage, Gini, personalization) has no interval.
    """
    groups = {ALL: np.ones(len(exam.queries), np.bool_), **exam.slices(), **exam.fine_slices()}
    rows: list[Row] = []
    for subject, ranking in rankings.items():
        for group, inside in groups.items():
            found = _means(measured[subject], exam.queries.user, inside, bootstrap)
            rows += [(subject, group, metric, interval, count) for metric, (interval, count) in found.items()]
        for metric, value in exam.of_all_lists(ranking).items():
            if np.isfinite(value):
                rows.append((subject, ALL, metric, Interval(value, value, value), len(exam.queries)))
    return rows


def _means(
    measured: Mapping[str, Values], users: npt.NDArray[np.integer], inside: npt.NDArray[np.bool_], bootstrap: Bootstrap
) -> dict[str, tuple[Interval, int]]:
    """Metric -> its interval and number of queries; those that the same queries have share their resamples."""
    alike: dict[bytes, list[str]] = {}
    for metric, value in measured.items():
        alike.setdefault((inside & ~np.isnan(value)).tobytes(), []).append(metric)
    found: dict[str, tuple[Interval, int]] = {}
    for told, metrics in alike.items():
        rows = np.frombuffer(told, np.bool_)
        if rows.any():
            means = bootstrap.means({metric: measured[metric][rows] for metric in metrics}, users[rows])
            found |= {metric: (interval, int(rows.sum())) for metric, interval in means.items()}
    return {metric: found[metric] for metric in measured if metric in found}


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Writes `intervals` as CSV: subject, slice, metric, value, low, high, queries."""
    columns = {
        "subject": [subject for subject, *_ in rows],
        "slice": [group for _, group, *_ in rows],
        "metric": [metric for _, _, metric, *_ in rows],
        "value": [interval.value for *_, interval, _ in rows],
        "low": [interval.low for *_, interval, _ in rows],
        "high": [interval.high for *_, interval, _ in rows],
        "queries": [count for *_, count in rows],
    }
    packed = io.BytesIO()
    pyarrow.csv.write_csv(pa.table(columns), packed)
    durable.write_bytes(path, packed.getvalue())


def headline(rows: Sequence[Row], cutoff: int) -> dict[str, dict[str, float]]:
    """Subject -> the metrics of HEADLINE at one cut-off over all queries, rounded: what `dvc metrics show` prints.

    With one relevant item a query, hit rate, precision and F1 say the same as recall; quality.csv has them all.
    """
    names = {f"{metric}_at_{cutoff}" for metric in HEADLINE}
    found: dict[str, dict[str, float]] = {}
    for subject, group, metric, interval, _ in rows:
        if group == ALL and metric in names:
            found.setdefault(subject, {})[metric] = round(interval.value, 6)
    return found
