"""Who is examined and may become champion, where each one's variants are, and who leads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.variants import PARENT, Variants


@dataclass(frozen=True)
class Contenders:
    """The models of params.yaml, and those that stand upon them: blend, switch, second stage."""

    folders: Mapping[str, Path]
    """Model -> its variants folder, see `models.variants`."""
    outcomes: Mapping[str, Variants]
    """Model -> what its tournament came to."""

    @classmethod
    def read(cls, models: Sequence[str], *, variants: Path, blend: Path, rank: Path) -> "Contenders":
        """Reads all outcomes.

        Args:
            models: by name. DVC leaves the folder of a model where it is when params.yaml no longer names it, so what
                is in `variants` does not say who contends.
            variants: has a folder for each of them.
            blend: has a folder for each model that the stage of that name made.
            rank: the same.

        Raises:
            models.variants.UnfinishedError: a model's tournament has not been held.
        """
        above = [path for place in (blend, rank) for path in sorted(place.iterdir()) if path.is_dir()]
        folders = {name: variants / name for name in models} | {path.name: path for path in above}
        return cls(folders, {name: Variants.read(folder) for name, folder in folders.items()})

    @property
    def leader(self) -> str:
        """The model whose chosen variant challenges the champion."""
        return leader(self.outcomes)

    def final(self, model: str, variant: str) -> Path:
        """Folder of a variant as it would be served."""
        return self.folders[model] / "final" / variant

    def subjects(self) -> Iterator[tuple[str, Path]]:
        """Every variant of every model: what it is called in tables, and its folder."""
        for model, outcome in self.outcomes.items():
            for variant in outcome.measured:
                yield subject(model, variant.name), self.final(model, variant.name)


def leader(outcomes: Mapping[str, Variants]) -> str:
    """The model whose chosen variant is best on validation, the first by name among equals.

    A second stage has learned from a part of validation, so it is compared on the rest and with the model that it
    stands upon alone: it takes the place of a leader that it gains on.
    """
    alone = [name for name, found in outcomes.items() if found.upon is None]
    best = min(alone, key=lambda name: (-outcomes[name].winner.validation_ndcg_at_10, name))
    above = {name: found.upon for name, found in outcomes.items() if found.upon and found.upon.model == best}
    better = [name for name, upon in above.items() if upon.gains]
    return min(better, key=lambda name: (-above[name].change_low, name), default=best)


def subject(model: str, variant: str) -> str:
    """What a variant is called in every table."""
    return model if variant == PARENT else f"{model}-{variant}"
