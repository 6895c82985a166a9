"""rank: a second stage upon another model, examined and promoted like any other: learned on validation.

A ranker has to learn from lists that look like those it will be given, so from queries that the retrieval did not learn
from: validation's, answered by the selection fit. It learns from the earlier ones and is examined on the later ones;
what is served learns from all of them and stands upon the final fit. It is a challenger only where it gains on the
model that it stands upon (`tasks.evaluate.leader`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

import params
from dataset.schema import ITEM, TIMESTAMP, USER, WEIGHT
from dataset.weights import weights
from dataset.world import Fold, World
from models import device, pairing
from models.fit import TooFewExamplesError
from models.learning_to_rank import Schedule, learn
from models.ranking import RankerShape
from models.shortlists import Shortlists, shortlists
from models.variants import PARENT, Variants
from scoring import folder as form_folder
from scoring.pairs import Pairs
from scoring.two_stage import Retrieval, TwoStage
from tasks import tournament
from tasks.tournament import Entry, First

NAME: Final = "two-stage"
COMPRESSED: Final = "compressed"


@dataclass(frozen=True)
class RankSummary:
    """What the second stage came to."""

    upon: str
    lists: int
    """Learned from, in the end."""
    chosen: str
    validation_ndcg_at_10: float
    """On the later part of validation."""
    change: float
    """Relative, from the model it stands upon."""
    change_low: float
    change_high: float


def rank(
    *,
    features: Path,
    prepared: Path,
    variants: Path,
    blend: Path,
    rank: Path,
    settings: params.Rank,
    train_settings: params.Train,
    compress_settings: params.Compress,
    evaluate_settings: params.Evaluate,
    seed: int,
) -> RankSummary:
    """Writes `<rank>/two-stage`, a variants folder (see `models.variants`).

    Raises:
        models.fit.TooFewExamplesError: too few validation queries have their item on their list.
        models.fit.DivergedError: the loss or a weight became NaN or infinite.
    """
    device.prepare(seed=seed, threads=train_settings.threads)
    world = _in_time_order(World.read(features))
    source = (variants if settings.retriever in train_settings.models else blend) / settings.retriever
    upon, first = Variants.read(source), _first_stage(world, source, settings)
    later = world.validation[int(len(world.validation) * settings.learn_share) :]
    lists = _lists(world, prepared, first(world.selection, PARENT), settings.max_queries, seed)
    earlier = lists[: np.searchsorted(lists.time, later.time.min(initial=world.cuts.test_start))]
    _refuse_nothing(len(earlier), len(later), settings)
    shape, schedule = _shape(world, lists, settings), _schedule(settings, seed)
    rankers = {
        fold: learn(some, shape, schedule, label=f"{NAME}: {fold} fit")
        for fold, some in (("selection", earlier), ("final", lists))
    }

    def entries(fold: Fold) -> list[Entry]:
        stages = {PARENT: first(fold, PARENT), COMPRESSED: first(fold, upon.chosen)}
        return [Entry(name, TwoStage(retrieval, rankers[fold.name])) for name, retrieval in stages.items()]

    outcome = tournament.hold(
        rank / NAME,
        model=NAME,
        world=replace(world, validation=later),
        entries=entries,
        uncompressed_bytes=None,
        rules=compress_settings,
        settings=evaluate_settings,
        seed=seed,
        upon=First(settings.retriever, first(world.selection, upon.chosen).form),
    )
    return _summary(outcome, len(lists))


def _in_time_order(world: World) -> World:
    """With validation's queries as they came, which a split by user does not give."""
    return replace(world, validation=world.validation[np.argsort(world.validation.time, kind="stable")])


def _first_stage(world: World, source: Path, settings: params.Rank) -> Callable[[Fold, str], Retrieval]:
    """What gives the retrieval of a fold by a variant's name."""

    @cache
    def pairs(name: str) -> Pairs:
        fold = world.selection if name == world.selection.name else world.final
        return pairing.pairs(
            fold, half_lives=settings.half_lives, longest=settings.longest, taste_dim=settings.taste_dim
        )

    def retrieval(fold: Fold, variant: str) -> Retrieval:
        form = form_folder.read(source / fold.name / variant)[1]
        return Retrieval(form, fold.catalogue, settings.candidates, pairs(fold.name))

    return retrieval


def _lists(world: World, prepared: Path, retrieval: Retrieval, most: int, seed: int) -> Shortlists:
    """Of `most` validation queries, at most, whose item could be recommended, in time order."""
    answerable = np.flatnonzero(world.selection.catalogue[world.validation.target])
    chosen = np.random.default_rng(seed).choice(answerable, min(len(answerable), most), replace=False)
    asked = world.validation[np.sort(chosen)]
    log = pq.read_table(prepared / "interactions.parquet", columns=[USER, ITEM, TIMESTAMP, WEIGHT])
    return shortlists(retrieval, asked, weights(log, world, asked))


def _refuse_nothing(earlier: int, later: int, settings: params.Rank) -> None:
    if not earlier or not later:
        raise TooFewExamplesError(
            f"both parts of validation that rank.learn_share = {settings.learn_share} makes must have queries, the "
            f"earlier one with their item among {settings.candidates} candidates. Received: {earlier} and {later}. "
            "Change rank.learn_share, or raise rank.candidates or split.validation_share"
        )


def _shape(world: World, lists: Shortlists, settings: params.Rank) -> RankerShape:
    return RankerShape(
        numbers=lists.numbers.shape[2],
        items=len(world.items),
        longest=settings.longest,
        embedding_dim=settings.embedding_dim,
        cross_layers=settings.cross_layers,
        units=settings.units,
        dropout=settings.dropout,
        l2=settings.l2,
        weight_loss=settings.weight_loss,
    )


def _schedule(settings: params.Rank, seed: int) -> Schedule:
    return Schedule(settings.epochs, settings.batch_size, settings.learning_rate, seed)


def _summary(outcome: Variants, lists: int) -> RankSummary:
    upon = outcome.upon
    assert upon is not None  # because it was asked for
    return RankSummary(
        upon=upon.model,
        lists=lists,
        chosen=outcome.chosen,
        validation_ndcg_at_10=outcome.winner.validation_ndcg_at_10,
        change=upon.change,
        change_low=upon.change_low,
        change_high=upon.change_high,
    )
