"""blend: other models together, each a model like any other: learned on validation, compressed, examined, promoted.

`blend` is a weighted sum, `switch` lets the one that is best for a history of that length answer alone. The float
variant stands upon the parts' float variants, the compressed one upon those that were chosen, with the same weights.
What they are worth on validation, each half of its users says of weights that were learned from the other half.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import params
from dataset.world import Fold, World
from models import blending
from models.blending import Crossed
from models.variants import PARENT, Variants
from scoring import folder as form_folder
from scoring.blend import Blend
from scoring.forms import Form
from tasks import tournament
from tasks.tournament import Entry

BLEND = "blend"
SWITCH = "switch"
COMPRESSED = "compressed"


@dataclass(frozen=True)
class BlendSummary:
    """What blend and switch are."""

    parts: list[str]
    weights: list[list[float]]
    """[steps, parts]"""
    switched: list[str]
    """[steps] who answers; nobody where there is no switch."""
    chosen: str
    """Variant of the blend."""
    blend_validation_ndcg_at_10: float
    switch_validation_ndcg_at_10: float | None


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
    """Writes `<blend>/blend` and `<blend>/switch`, variants folders (see `models.variants`)."""
    world = World.read(features)

    def held(name: str, parts: _Parts, learn: Callable[[Fold], Blend]) -> tuple[Blend, Variants]:
        learned, crossed = learn(world.selection), Crossed.learned(learn, world.selection)

        def entry(fold: Fold, variant: str, *, compressed: bool) -> Entry:
            forms = parts.forms(fold, compressed=compressed)
            asked = crossed.standing_upon(forms) if fold.name == world.selection.name else None
            return Entry(variant, replace(learned, parts=forms), crossed=asked)

        def entries(fold: Fold) -> list[Entry]:
            return [entry(fold, PARENT, compressed=False), entry(fold, COMPRESSED, compressed=True)]

        return learned, tournament.hold(
            blend / name,
            model=name,
            world=world,
            entries=entries,
            uncompressed_bytes=lambda: sum(found.uncompressed_bytes for found in parts.outcomes.values()),
            rules=compress_settings,
            settings=evaluate_settings,
            seed=seed,
        )

    sample: dict[str, Any] = {"steps": settings.steps, "max_queries": settings.max_queries, "seed": seed}
    parts = _Parts.read(variants, settings.parts)
    learn = partial(blending.learn, parts.forms(world.selection), l2=settings.l2, **sample)
    (learned, blended), switch, switched = held(BLEND, parts, learn), None, []
    if settings.switch:
        several = _Parts.read(variants, settings.switch)
        chosen, switch = held(SWITCH, several, partial(blending.choose, several.forms(world.selection), **sample))
        switched = [settings.switch[part] for part in chosen.weights.argmax(axis=1)]
    return BlendSummary(
        parts=settings.parts,
        weights=learned.weights.astype(float).tolist(),
        switched=switched,
        chosen=blended.chosen,
        blend_validation_ndcg_at_10=blended.winner.validation_ndcg_at_10,
        switch_validation_ndcg_at_10=switch.winner.validation_ndcg_at_10 if switch else None,
    )


@dataclass(frozen=True)
class _Parts:
    """The models that stand together."""

    folder: Path
    outcomes: dict[str, Variants]

    @classmethod
    def read(cls, folder: Path, names: list[str]) -> "_Parts":
        return cls(folder, {name: Variants.read(folder / name) for name in names})

    def forms(self, fold: Fold, *, compressed: bool = False) -> list[Form]:
        names = {name: outcome.chosen if compressed else PARENT for name, outcome in self.outcomes.items()}
        return [form_folder.read(self.folder / name / fold.name / variant)[1] for name, variant in names.items()]
