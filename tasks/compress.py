"""compress: a model's contestants held against each other; `tasks.tournament` has the rule.

A neural model's are those of `models.compression.contestants`, a baseline's its form and the same in 8 bits.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

import digest
import params
from dataset.batches import CandidateFeatures
from dataset.world import Fold, World
from models.variants import PARENT, NotCompressedError
from scoring import folder as form_folder
from scoring.quantize import quantized
from tasks import tournament
from tasks.tournament import Entry

ASKED: Final = 1000
"""Queries, of those that were learned from, by which converted models are scaled and compared, at most."""


@dataclass(frozen=True)
class CompressSummary:
    """What the tournament came to."""

    model: str
    chosen: str
    times_smaller: float
    training_seconds: dict[str, float]
    """Contestant -> what its training took by the clock, both fits together; those that differ in how they are kept
    share it. Here and in no file of the stage, which would be another one each time."""


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
) -> CompressSummary:
    """Writes one model's variants folder, see `models.variants`.

    Raises:
        NotCompressedError: a contestant did not become smaller or sparser as it claims.
    """
    world = World.read(features)
    chosen = train_settings.models[name]
    untouched, seconds = digest.of_folder(model), Counter[str]()
    if isinstance(chosen, params.Neural):
        entries, weigh = _neural(world, model, chosen, settings, train_settings, evaluate_settings, seed, seconds)
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
    return CompressSummary(name, outcome.chosen, round(outcome.times_smaller, 2), dict(seconds))


def _neural(
    world: World,
    model: Path,
    chosen: params.Neural,
    settings: params.Compress,
    train: params.Train,
    evaluate: params.Evaluate,
    seed: int,
    seconds: Counter[str],
) -> tuple[Callable[[Fold], list[Entry]], Callable[[], int]]:
    """What makes the contestants of a fold, and what weighs the float model as a SavedModel.

    Training adds to `seconds`.
    """
    from models import device, export, stored
    from models.compression.contestants import Amounts, contestants
    from models.compression.distillation import Student, Teaching
    from models.compression.retraining import Retraining
    from models.compression.storage import Known

    device.prepare(seed=seed, threads=train.threads)
    amounts = Amounts(
        sparsity=settings.sparsity,
        clusters=settings.clusters,
        bits=settings.bits,
        blocks=settings.blocks,
        student=Student(**msgspec.structs.asdict(settings.student)),
        teaching=Teaching(**msgspec.structs.asdict(settings.distillation)),
    )

    def entries(fold: Fold) -> list[Entry]:
        retraining = Retraining(
            folder=model / fold.name,
            data=lambda model: model.data(fold.learn, fold.features, batch_size=chosen.batch_size, seed=seed),
            optimizer=lambda: device.optimizer(
                settings.fine_tune_learning_rate, beta_2=chosen.beta_2, average=chosen.average
            ),
            afresh=lambda: device.optimizer(chosen.learning_rate, beta_2=chosen.beta_2, average=chosen.average),
            epochs=settings.fine_tune_epochs,
            seed=seed,
        )
        known = Known(
            items=CandidateFeatures.catalogue(fold.features, fold.freeze),
            counts=fold.counts,
            asked=fold.learn[np.linspace(0, len(fold.learn) - 1, min(ASKED, len(fold.learn))).astype(np.int64)],
        )
        made = list(contestants(retraining, known, settings.contestants.items(), amounts))
        seconds.update({one.name: one.cost.seconds for one in made})
        return [
            Entry(
                one.name,
                one.form,
                one.sparsity,
                one.trained_on,
                one.claim,
                one.cost.epochs,
                one.cost.steps * chosen.batch_size,
            )
            for one in made
        ]

    def uncompressed_bytes() -> int:
        items = CandidateFeatures.catalogue(world.features, world.final.freeze)
        return export.savedmodel_bytes(stored.read(model / world.final.name), items, k=max(evaluate.cutoffs))

    return entries, uncompressed_bytes


def _baseline(model: Path) -> Callable[[Fold], list[Entry]]:
    """A baseline's form, and in 8 bits where it has a table."""

    def entries(fold: Fold) -> list[Entry]:
        _, form = form_folder.read(model / fold.name)
        small = quantized(form)
        made = [Entry(PARENT, form)]
        return [*made, Entry("int8", small, claim=0.5)] if small else made

    return entries
