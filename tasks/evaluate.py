"""evaluate: every variant of every model on the test queries, each metric with its interval.

A subject is a model's name, which is its float variant, or `<model>-<variant>`. No stage chooses anything by the test;
`promote` decides by what is found here, and asks the champion the same queries.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

import durable
import params
from dataset.query import DAY_SECONDS
from dataset.world import World
from evaluation import pareto, plots, report
from evaluation.content import Content
from evaluation.groups import groups
from evaluation.measure import Exam
from evaluation.pareto import Point, Words
from evaluation.ratings import rating_errors
from evaluation.report import ALL, Row
from evaluation.significance import Bootstrap
from models.baselines import biases, popularity
from models.variants import Variants
from scoring import folder as form_folder
from tasks import examined
from tasks.contenders import Contenders, subject

log = logging.getLogger(__name__)

HEADLINE_CUTOFF = 10
MOST_GROUPS = 8
"""Slices of categories, and of users by one column, at most: as many as a picture can show."""


@dataclass(frozen=True)
class EvaluateSummary:
    """The headline."""

    queries: int
    users: int
    primary_metric: str
    best: str
    """The model that is best on validation."""
    values: dict[str, float]
    """Subject -> primary metric."""


def evaluate(
    *,
    features: Path,
    variants: Path,
    blend: Path,
    rank: Path,
    evaluation: Path,
    models: list[str],
    settings: params.Evaluate,
    seed: int,
) -> EvaluateSummary:
    """Writes per_query.parquet, quality.csv, examined.json, pareto.html, metrics/ and plots/.

    metrics/ratings/ is there where the log has weights.

    Raises:
        evaluation.protocol.ScoreError: a model gives scores that cannot be ranked.
        models.variants.UnfinishedError: a model's tournament has not been held.
    """
    world = World.read(features)
    contenders = Contenders.read(models, variants=variants, blend=blend, rank=rank)
    outcomes, best = contenders.outcomes, contenders.leader
    exam = replace(examination(world, settings), content=content(world, settings))
    scorers = {name: form_folder.read(folder)[1] for name, folder in contenders.subjects()}
    progress = tqdm(scorers.items(), desc="evaluate", unit="subject", leave=False)
    rankings = {name: exam.take(scorer) for name, scorer in progress}
    measured = {name: exam.per_query(ranking) for name, ranking in rankings.items()}
    bootstrap = Bootstrap(settings.bootstrap_samples, settings.confidence, seed)
    rows = report.intervals(exam, rankings, measured, bootstrap)
    durable.write_parquet(evaluation / "per_query.parquet", report.per_query(exam, rankings, measured))
    report.write_table(evaluation / "quality.csv", rows)
    examined.write(evaluation, contenders)
    for name, found in report.headline(rows, HEADLINE_CUTOFF).items():
        durable.write_json(evaluation / "metrics" / f"{name}.json", found)
    for name, found in rating_accuracy(world, settings, bootstrap).items():
        durable.write_json(evaluation / "metrics/ratings" / f"{name}.json", found)
    ours = set(scorers) - set(settings.baselines)
    metric = settings.primary_metric
    plots.quality(
        evaluation / "plots/quality.png",
        rows,
        metric=metric,
        ours=ours,
        confidence=settings.confidence,
        protocol=world.protocol,
    )
    shown = [subject(best, outcomes[best].chosen), *(name for name in settings.baselines if name != best)]
    plots.slices(evaluation / "plots/slices.png", rows, metric=metric, subjects=shown)
    plots.fine_slices(evaluation / "plots/fine_slices.png", rows, metric=metric, subjects=shown)
    plots.ranks(evaluation / "plots/recall.png", rankings, ours=ours)
    pareto.write(
        evaluation / "plots/pareto.png",
        evaluation / "pareto.html",
        _sized(outcomes, rows, metric),
        Words(
            title="Every variant of every model: bytes against quality",
            quality=f"{metric} of the test",
            colour="share of the float model's ten best, validation",
        ),
    )
    return EvaluateSummary(
        queries=len(exam.queries),
        users=len(set(exam.queries.user.tolist())),
        primary_metric=metric,
        best=best,
        values={name: float(values[metric].mean()) for name, values in measured.items()},
    )


def _sized(outcomes: Mapping[str, Variants], rows: list[Row], metric: str) -> list[Point]:
    """Every subject with its bytes and quality.

    Latency is no colour here: no two runs measure the same, and a stage's files have to be the same.
    """
    quality = {name: interval for name, group, found, interval, _ in rows if (group, found) == (ALL, metric)}
    return [
        Point(
            name=subject(model, variant.name),
            size_bytes=variant.size_bytes,
            quality=quality[subject(model, variant.name)],
            colour=variant.top_10_overlap,
            said={
                "gzip bytes": f"{variant.gzip_bytes:,}",
                "change on validation": f"{variant.change:+.2%}",
                "its interval": f"{variant.change_low:+.2%} to {variant.change_high:+.2%}",
                "within the margin": "yes" if variant.within_margin else "",
                "extra epochs": str(variant.extra_epochs or ""),
                "chosen": "yes" if variant.name == outcome.chosen else "",
            },
        )
        for model, outcome in outcomes.items()
        for variant in outcome.measured
    ]


def examination(world: World, settings: params.Evaluate) -> Exam:
    """The test queries, with the catalogue and the counts as they were when the test began."""
    return Exam(
        queries=world.final.ask,
        catalogue=world.final.catalogue,
        counts=world.final.counts,
        cutoffs=settings.cutoffs,
        head_share=settings.head_share,
        cold_history=settings.cold_history,
        chunk_size=settings.chunk_size,
    )


def content(world: World, settings: params.Evaluate) -> Content:
    """What the metrics beyond accuracy and the fine slices need, as it was when the test began."""
    fold, window = world.final, settings.recent_popularity_days * DAY_SECONDS
    return Content(
        categories=world.features.categories,
        category_names=world.categories.ids,
        first_seen=world.features.first_seen,
        recent=popularity.counts(fold.known, len(world.items), freeze=fold.freeze, window_seconds=window),
        groups=groups(world.user_columns, most=MOST_GROUPS, ranges=settings.group_ranges),
        min_group_users=settings.min_group_users,
        most=MOST_GROUPS,
    )


def rating_accuracy(world: World, settings: params.Evaluate, bootstrap: Bootstrap) -> dict[str, dict[str, float]]:
    """Predictor -> RMSE and MAE of the test's ratings with their bounds; nothing where the log has no weights.

    `biases` is the usual baseline, `mean` says nothing of anyone: what a better one is worth is told by both.
    """
    known, asked = world.ratings.fit, world.ratings.test
    if len(known) == 0:
        return {}
    learned = biases.fit(
        known,
        num_users=len(world.users),
        num_items=len(world.items),
        item_shrink=settings.rating_item_shrink,
        user_shrink=settings.rating_user_shrink,
    )
    predictions = {"biases": learned.predict(asked.user, asked.item), "mean": np.full(len(asked), learned.mean)}
    found = {
        name: rating_errors(prediction, asked.weight, asked.user, bootstrap) for name, prediction in predictions.items()
    }
    return {
        name: {
            f"{metric}{bound}": round(value, 6)
            for metric, span in metrics.items()
            for bound, value in (("", span.value), ("_low", span.low), ("_high", span.high))
        }
        for name, metrics in found.items()
    }
