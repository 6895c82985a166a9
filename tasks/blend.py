"""blend: a weighted sum of other models, a model like any other: learned on validation, compressed, examined, promoted.

Its float variant blends the parts' float variants, its compressed one those that were chosen, with the same weights.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import params
from dataset.world import Fold, World
from models import blending
from models.variants import PARENT, Variants
from scoring import folder as form_folder
from scoring.blend import Blend
from scoring.forms import Form
from tasks import tournament
from tasks.tournament import Entry

NAME = "blend"
COMPRESSED = "compressed"


@dataclass(frozen=True)
class BlendSummary:
    """What the blend is."""

    parts: list[str]
    weights: list[list[float]]
    """[steps, parts]"""
    chosen: str
    validation_ndcg_at_10: float


def blend(
    *,
    features: Path,
    variants: Path,
    blend: Path,
    settings: params.Blend,
    compress_settings: params.Compress,
    evaluate_settings: params.Evaluate,
    seed: int,
) -> BlendSummary:
    """Writes `<blend>/blend`, a variants folder (see `models.variants`)."""
    world = World.read(features)
    outcomes = {name: Variants.read(variants / name) for name in settings.parts}

    def parts(fold: Fold, *, compressed: bool) -> list[Form]:
        names = {name: outcome.chosen if compressed else PARENT for name, outcome in outcomes.items()}
        return [form_folder.read(variants / name / fold.name / variant)[1] for name, variant in names.items()]

    learned = blending.learn(
        parts(world.selection, compressed=False),
        world.selection,
        steps=settings.steps,
        l2=settings.l2,
        max_queries=settings.max_queries,
        seed=seed,
    )

    def entries(fold: Fold) -> list[Entry]:
        def made(*, compressed: bool) -> Blend:
            return replace(learned, parts=parts(fold, compressed=compressed))

        return [
            Entry(PARENT, made(compressed=False), 0.0, trained_on=False),
            Entry(COMPRESSED, made(compressed=True), 0.0, trained_on=False),
        ]

    outcome = tournament.hold(
        blend / NAME,
        model=NAME,
        world=world,
        entries=entries,
        uncompressed_bytes=lambda: sum(found.savedmodel_bytes for found in outcomes.values()),
        rules=compress_settings,
        settings=evaluate_settings,
        seed=seed,
    )
    return BlendSummary(
        settings.parts, learned.weights.astype(float).tolist(), outcome.chosen, outcome.winner.validation_ndcg_at_10
    )
