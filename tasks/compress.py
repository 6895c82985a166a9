"""compress: a model's contestants held against each other; `tasks.tournament` has the rule.

A neural model's are those of `models.contestants`, a baseline's its form and the same in 8 bits.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import digest
import params
from dataset.batches import CandidateFeatures
from dataset.world import Fold, World
from models.variants import PARENT, NotCompressedError, Variants
from scoring import folder as form_folder
from scoring.quantize import quantized
from tasks import tournament
from tasks.tournament import Entry

log = logging.getLogger(__name__)


def compress(
    *,
    name: str,
    features: Path,
    model: Path,
    variants: Path,
    settings: params.Compress,
    train_settings: params.Train,
    evaluate_settings: params.Evaluate,
    seed: int,
) -> Variants:
    """Writes one model's variants folder, see `models.variants`.

    Raises:
        NotCompressedError: a contestant did not become smaller or sparser as it claims.
    """
    world = World.read(features)
    chosen = train_settings.models[name]
    untouched = digest.of_folder(model)
    if isinstance(chosen, params.Neural):
        entries, weigh = _neural(world, model, chosen, settings, train_settings, evaluate_settings, seed)
    else:
        entries, weigh = _baseline(model), None
    outcome = tournament.hold(
        variants,
        model=name,
        world=world,
        entries=entries,
        uncompressed_bytes=weigh,
        rules=settings,
        settings=evaluate_settings,
        seed=seed,
    )
    if digest.of_folder(model) != untouched:
        raise NotCompressedError(f"{model}: the float model's files changed during compression")
    return outcome


def _neural(
    world: World,
    model: Path,
    chosen: params.Neural,
    settings: params.Compress,
    train: params.Train,
    evaluate: params.Evaluate,
    seed: int,
) -> tuple[Callable[[Fold], list[Entry]], Callable[[], int]]:
    """What makes the contestants of a fold, and what weighs the float model as a SavedModel."""
    from models import device, export, stored
    from models.contestants import contestants

    device.prepare(seed=seed, threads=train.threads)

    def entries(fold: Fold) -> list[Entry]:
        items = CandidateFeatures.catalogue(fold.features, fold.freeze)
        made = contestants(
            model / fold.name,
            lambda model: model.data(fold.learn, fold.features, batch_size=chosen.batch_size, seed=seed),
            sparsity=settings.sparsity,
            epochs=settings.fine_tune_epochs,
            learning_rate=settings.fine_tune_learning_rate,
        )
        return [
            Entry(one.name, export.tower(one.model, items, one.precision), one.sparsity, one.trained_on) for one in made
        ]

    def savedmodel_bytes() -> int:
        items = CandidateFeatures.catalogue(world.features, world.final.freeze)
        return export.savedmodel_bytes(stored.read(model / world.final.name), items, k=max(evaluate.cutoffs))

    return entries, savedmodel_bytes


def _baseline(model: Path) -> Callable[[Fold], list[Entry]]:
    """A baseline's form, and in 8 bits where it has a table."""

    def entries(fold: Fold) -> list[Entry]:
        _, form = form_folder.read(model / fold.name)
        small = quantized(form)
        made = [Entry(PARENT, form, 0.0, trained_on=False)]
        return [*made, Entry("int8", small, 0.0, trained_on=False)] if small else made

    return entries
