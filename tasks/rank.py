"""rank: a second stage upon another model, a model like any other: learned on validation, compressed, examined, promoted.

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
import numpy.typing as npt
import pyarrow.parquet as pq

import params
from dataset.query import Queries
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
from scoring.cross_network import CrossNetwork
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
    epochs: int
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
    world = World.read(features)
    source = (variants if settings.retriever in train_settings.models else blend) / settings.retriever
    upon, first = Variants.read(source), _first_stage(world, source, settings)
    later = world.validation[int(len(world.validation) * settings.learn_share) :]
    asked = _learnable(world, settings.max_queries, seed)
    log = pq.read_table(prepared / "interactions.parquet", columns=[USER, ITEM, TIMESTAMP, WEIGHT])
    lists = shortlists(first(world.selection, PARENT), asked, weights(log, world, asked))
    rankers, epochs = _rankers(lists, asked.time[lists.asked] < later.time[0], len(world.items), settings, seed)

    def entries(fold: Fold) -> list[Entry]:
        stages = {PARENT: first(fold, PARENT), COMPRESSED: first(fold, upon.chosen)}
        return [
            Entry(name, TwoStage(retrieval, rankers[fold.name]), 0.0, trained_on=False)
            for name, retrieval in stages.items()
        ]

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
    assert outcome.upon is not None  # because it was asked for
    return RankSummary(
        upon=settings.retriever,
        lists=len(lists),
        epochs=epochs,
        chosen=outcome.chosen,
        validation_ndcg_at_10=outcome.winner.validation_ndcg_at_10,
        change=outcome.upon.change,
        change_low=outcome.upon.change_low,
        change_high=outcome.upon.change_high,
    )


def _first_stage(world: World, source: Path, settings: params.Rank) -> Callable[[Fold, str], Retrieval]:
    """What gives the retrieval of a fold by a variant's name."""

    @cache
    def pairs(name: str) -> Pairs:
        fold = world.selection if name == world.selection.name else world.final
        return pairing.pairs(
            world, fold, half_lives=settings.half_lives, longest=settings.longest, taste_dim=settings.taste_dim
        )

    def retrieval(fold: Fold, variant: str) -> Retrieval:
        form = form_folder.read(source / fold.name / variant)[1]
        return Retrieval(form, fold.catalogue, settings.candidates, pairs(fold.name))

    return retrieval


def _learnable(world: World, most: int, seed: int) -> Queries:
    """Validation queries whose item could be recommended, in time order."""
    answerable = np.flatnonzero(world.selection.catalogue[world.validation.target])
    count = min(len(answerable), most)
    return world.validation[np.sort(np.random.default_rng(seed).choice(answerable, count, replace=False))]


def _rankers(
    lists: Shortlists, early: npt.NDArray[np.bool_], items: int, settings: params.Rank, seed: int
) -> tuple[dict[str, CrossNetwork], int]:
    """Fold -> its ranker, and the epochs of both: those that were best on the last of the earlier lists."""
    shape = RankerShape(
        numbers=lists.numbers.shape[2],
        items=items,
        longest=settings.longest,
        embedding_dim=settings.embedding_dim,
        cross_layers=settings.cross_layers,
        units=settings.units,
        dropout=settings.dropout,
        l2=settings.l2,
        weight_loss=settings.weight_loss,
    )
    schedule = Schedule(
        epochs=settings.epochs,
        patience=settings.patience,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        seed=seed,
    )
    earlier = lists[np.flatnonzero(early)]
    stop = int(len(earlier) * (1 - settings.stop_share))
    if not 0 < stop < len(earlier):
        raise TooFewExamplesError(
            "the earlier part of validation must have queries with their item on their list, to learn from and to stop "
            f"by. Received: {stop} and {len(earlier) - stop}. Raise rank.candidates or split.validation_share"
        )
    epochs = learn(earlier[:stop], shape, schedule, check=earlier[stop:], label=f"{NAME}: epochs").epochs
    schedule = replace(schedule, epochs=epochs)
    rankers = {
        name: learn(some, shape, schedule, check=None, label=f"{NAME}: {name} fit").ranker
        for name, some in (("selection", earlier), ("final", lists))
    }
    return rankers, epochs
