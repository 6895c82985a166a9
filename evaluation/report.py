"""What evaluation leaves behind: the per-query table, the long table with intervals, the few numbers for DVC, plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as pq

from evaluation.measure import Exam
from evaluation.metrics import Values
from evaluation.protocol import Ranking
from evaluation.significance import Bootstrap, Interval

ALL: Final = "all"
"""The slice of all queries."""
HEADLINE: Final = ("ndcg", "recall", "mrr", "coverage", "novelty", "popularity_share")

Row = tuple[str, str, str, Interval, int]
"""Subject, slice, metric, its interval, and how many queries it is about."""


def per_query(exam: Exam, rankings: Mapping[str, Ranking]) -> pa.Table:
    """One row for each subject and query: who, when, which target at which rank, and every per-query metric."""
    queries, groups = exam.queries, exam.slices()
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
                **exam.per_query(ranking),
            }
        )
        for subject, ranking in rankings.items()
    ]
    return pa.concat_tables(tables).unify_dictionaries()


def values(table: pa.Table, subject: str, metric: str) -> Values:
    """[n] one subject's values of one metric, in query order."""
    rows = table.filter(pyarrow.compute.equal(table["subject"].cast(pa.string()), subject))
    found: Values = rows[metric].to_numpy().astype(np.float64)
    return found


def intervals(exam: Exam, rankings: Mapping[str, Ranking], bootstrap: Bootstrap) -> list[Row]:
    """(subject, slice, metric, interval, queries) for every subject, slice and metric; coverage has no interval."""
    groups = {ALL: np.ones(len(exam.queries), np.bool_), **exam.slices()}
    users = exam.queries.user
    rows: list[Row] = []
    for subject, ranking in rankings.items():
        measured = exam.per_query(ranking)
        for group, inside in groups.items():
            if inside.any():
                found = bootstrap.means({name: value[inside] for name, value in measured.items()}, users[inside])
                rows += [(subject, group, metric, interval, int(inside.sum())) for metric, interval in found.items()]
        for metric, share in exam.coverage(ranking).items():
            rows.append((subject, ALL, metric, Interval(share, share, share), len(exam.queries)))
    return rows


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
    pyarrow.csv.write_csv(pa.table(columns), path)


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


def write_parquet(path: Path, table: pa.Table) -> None:
    """Writes a table whose bytes depend on the contents alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
