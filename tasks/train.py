"""train: one model twice, once to be selected on validation and once more on all that lies before the test.

`selection` learns from train alone; a neural model stops early on the validation metric. `final` has the same settings,
learns from train and validation (a neural one for as many epochs as selection found best), and is what gets compressed,
tested and served: without the last weeks before the test it would be stale before it starts. Neither sees anything of
the test.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import durable
import params
from dataset.batches import CandidateFeatures
from dataset.world import Fold, World
from evaluation.metrics import accuracy
from evaluation.protocol import Scorer, rank
from models.variants import PARENT
from scoring import folder as form_folder
from tasks import fitting

if TYPE_CHECKING:
    from models.fit import Fit

log = logging.getLogger(__name__)

VALIDATION_CUTOFF = 10
"""Early stopping looks at NDCG at this k."""
CHUNK = 1024


class NothingToAskError(ValueError):
    """The validation part has no queries."""


@dataclass(frozen=True)
class TrainSummary:
    """What training came to."""

    model: str
    epochs: int
    """Of the selection fit's best weights, and of the final fit; 0 where there are none."""
    validation_ndcg_at_10: float


def train(*, name: str, features: Path, model: Path, settings: params.Train, seed: int) -> TrainSummary:
    """Fits one model twice and writes `selection/`, `final/` and summary.json.

    The two folders hold a neural model's weights (`models.stored`) or a baseline's form (`scoring.folder`). Nothing is
    written unless both fits end well.

    Raises:
        models.fit.DivergedError: the loss or a weight became NaN or infinite.
        models.fit.TooFewExamplesError: training has less than a batch.
        NothingToAskError: validation has no queries.
    """
    world = World.read(features)
    if len(world.validation) == 0:
        raise NothingToAskError(
            "the validation part must have at least one query, an item new to its user. Received: 0. "
            "Raise split.validation_share, or bring a longer log"
        )
    chosen = settings.models[name]
    if isinstance(chosen, params.Neural):
        summary = _neural(name, world, model, chosen, settings, seed)
    else:
        summary = _baseline(name, world, model, chosen, settings, seed)
    durable.write_json(model / "summary.json", summary)
    return summary


def validation_ndcg(world: World, scorer: Scorer) -> float:
    """Mean NDCG@10 on the validation queries."""
    fold = world.selection
    ranking = rank(scorer, fold.ask, fold.catalogue, k=VALIDATION_CUTOFF, chunk_size=CHUNK)
    return float(accuracy(ranking.rank, [VALIDATION_CUTOFF])[f"ndcg_at_{VALIDATION_CUTOFF}"].mean())


def _baseline(
    name: str, world: World, folder: Path, settings: params.Baseline, shared: params.Train, seed: int
) -> TrainSummary:
    items = len(world.items)
    forms = {
        fold.name: fitting.baseline(fold, items, settings, seed=seed, threads=shared.threads)
        for fold in (world.selection, world.final)
    }
    for fold in (world.selection, world.final):
        form_folder.write(
            folder / fold.name, forms[fold.name], model=name, name=PARENT, items=items, freeze=fold.freeze
        )
    return TrainSummary(name, 0, validation_ndcg(world, forms["selection"]))


def _neural(
    name: str, world: World, folder: Path, settings: params.Neural, shared: params.Train, seed: int
) -> TrainSummary:
    from models import device, stored
    from models.stored import Retriever

    device.prepare(seed=seed, threads=shared.threads)
    then = CandidateFeatures.catalogue(world.selection_features, world.selection.freeze)

    def fitted(fold: Fold, epochs: int, validate: Callable[[Retriever], float] | None) -> "tuple[Retriever, Fit]":
        label = f"{name}: {fold.name} fit"
        return fitting.neural(label, world, fold, settings, shared, seed, epochs=epochs, validate=validate)

    selection, best = fitted(world.selection, shared.epochs, lambda model: validation_ndcg(world, model.frozen(then)))
    final, _ = fitted(world.final, best.epochs, None)
    stored.write(selection, folder / "selection")
    stored.write(final, folder / "final")
    return TrainSummary(name, best.epochs, best.metric)
