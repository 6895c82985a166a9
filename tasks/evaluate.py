"""evaluate: every variant and every baseline on the test queries, each metric with its interval.

The test is read here and nowhere else; nothing is chosen by it.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

import durable
import params
from dataset.query import DAY_SECONDS
from dataset.world import World
from evaluation import plots, report
from evaluation.measure import Exam
from evaluation.protocol import Scorer
from evaluation.significance import Bootstrap
from models.baselines.item_knn import ItemKNN
from models.baselines.popularity import Popularity
from models.variants import Variants
from serving.runtime import Scoring
from serving.servable import read_model

log = logging.getLogger(__name__)

HEADLINE_CUTOFF = 10
BASELINES = ("popularity", "recent-popularity", "item-knn")


@dataclass(frozen=True)
class EvaluateSummary:
    """The headline."""

    queries: int
    users: int
    primary_metric: str
    chosen: str
    values: dict[str, float]
    """Subject -> primary metric."""


def evaluate(
    *, features: Path, variants: Path, evaluation: Path, settings: params.Evaluate, seed: int
) -> EvaluateSummary:
    """Writes per_query.parquet, quality.csv, metrics/ and plots/.

    Raises:
        evaluation.protocol.ScoreError: a model gives scores that cannot be ranked.
    """
    world = World.read(features)
    chosen = Variants.read(variants).chosen
    exam = examination(world, settings)
    scorers = subjects(world, variants, settings)
    progress = tqdm(scorers.items(), desc="evaluate", unit="model", leave=False)
    rankings = {name: exam.take(scorer) for name, scorer in progress}
    bootstrap = Bootstrap(settings.bootstrap_samples, settings.confidence, seed)
    rows = report.intervals(exam, rankings, bootstrap)
    report.write_parquet(evaluation / "per_query.parquet", report.per_query(exam, rankings))
    report.write_table(evaluation / "quality.csv", rows)
    for name, found in report.headline(rows, HEADLINE_CUTOFF).items():
        durable.write_json(evaluation / "metrics" / f"{name}.json", found)
    ours = set(scorers) - set(BASELINES)
    metric = settings.primary_metric
    plots.quality(evaluation / "plots/quality.png", rows, metric=metric, ours=ours, confidence=settings.confidence)
    plots.slices(evaluation / "plots/slices.png", rows, metric=metric, subjects=[chosen, *BASELINES])
    plots.ranks(evaluation / "plots/recall.png", rankings, ours=ours)
    return EvaluateSummary(
        queries=len(exam.queries),
        users=len(set(exam.queries.user.tolist())),
        primary_metric=metric,
        chosen=chosen,
        values={name: float(exam.per_query(ranking)[metric].mean()) for name, ranking in rankings.items()},
    )


def examination(world: World, settings: params.Evaluate) -> Exam:
    """The test queries, with the catalogue and the counts as they were when the test began."""
    return Exam(
        queries=world.test,
        catalogue=world.catalogue(world.cuts.test_start),
        counts=world.features.count_fit,
        cutoffs=settings.cutoffs,
        head_share=settings.head_share,
        cold_history=settings.cold_history,
        chunk_size=settings.chunk_size,
    )


def subjects(world: World, variants: Path, settings: params.Evaluate) -> dict[str, Scorer]:
    """Name -> scorer of every variant and baseline, all frozen at the start of the test."""
    freeze, size = world.cuts.test_start, len(world.items)
    window = settings.recent_popularity_days * DAY_SECONDS
    models: dict[str, Scorer] = {
        variant.name: Scoring(read_model(variants / variant.name)) for variant in Variants.read(variants).measured
    }
    return models | {
        "popularity": Popularity.fit(world.timelines, size, freeze=freeze),
        "recent-popularity": Popularity.fit(world.timelines, size, freeze=freeze, window_seconds=window),
        "item-knn": ItemKNN.fit(
            world.timelines,
            size,
            freeze=freeze,
            neighbours=settings.item_knn_neighbours,
            shrink=settings.item_knn_shrink,
        ),
    }
