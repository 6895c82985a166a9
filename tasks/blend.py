"""blend: other models together, each a model like any other: learned on validation, compressed, examined, promoted.

`blend` is a weighted sum, `switch` lets the one that is best for a history of that length answer alone. The float
variant stands upon the parts' float variants, the compressed one upon those that were chosen, with the same weights.
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

    def held(name: str, parts: _Parts, learned: Blend) -> Variants:
        def entries(fold: Fold) -> list[Entry]:
            return [
                Entry(variant, replace(learned, parts=parts.forms(fold, compressed=compressed)))
                for variant, compressed in ((PARENT, False), (COMPRESSED, True))
            ]

        return tournament.hold(
            blend / name,
            model=name,
            world=world,
            entries=entries,
            uncompressed_bytes=lambda: sum(found.savedmodel_bytes for found in parts.outcomes.values()),
            rules=compress_settings,
            settings=evaluate_settings,
            seed=seed,
        )

    steps, most = settings.steps, settings.max_queries
    parts = _Parts.read(variants, settings.parts)
    learned = blending.learn(
        parts.forms(world.selection), world.selection, steps=steps, l2=settings.l2, max_queries=most, seed=seed
    )
    blended, switch, switched = held(BLEND, parts, learned), None, []
    if settings.switch:
        several = _Parts.read(variants, settings.switch)
        forms = several.forms(world.selection)
        chosen = blending.choose(forms, world.selection, steps=steps, max_queries=most, seed=seed)
        switch = held(SWITCH, several, chosen)
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
