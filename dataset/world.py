"""The features folder read back: all that training and evaluation start from."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from dataset.features import ItemFeatures
from dataset.query import Longs, Queries, Timelines
from dataset.split import Cuts
from dataset.vocabulary import Vocabulary


@dataclass(frozen=True)
class Fold:
    """One of the two times that every model is fitted: what it may learn from, and what it is asked afterwards."""

    name: str
    """selection: before validation, for every choice; final: before the test, for what is served."""
    known: Timelines
    """All interactions that may be learned from; whoever is asked later is among the users."""
    learn: Queries
    """The same as questions with answers."""
    ask: Queries
    """Validation or test."""
    catalogue: npt.NDArray[np.bool_]
    """[num_items] what may be recommended."""
    counts: Longs
    """[num_items] interactions in `known`."""
    freeze: int
    """Nothing at or after this moment is known, seconds since 1970-01-01 UTC."""


@dataclass(frozen=True)
class World:
    """Items, users, their features and the queries, as `tasks.featurize` wrote them."""

    items: Vocabulary
    titles: list[str]
    """By item index."""
    categories: Vocabulary
    users: list[str]
    """By user index."""
    features: ItemFeatures
    timelines: Timelines
    train: Queries
    validation: Queries
    test: Queries
    cuts: Cuts
    history_length: int
    """Items of a history that a model reads."""

    @classmethod
    def read(cls, folder: Path) -> "World":
        """Reads a features folder."""
        timelines = Timelines.read(folder / "timelines.npz")
        return cls(
            items=Vocabulary.read(folder / "items.json"),
            titles=msgspec.json.decode((folder / "titles.json").read_bytes(), type=list[str]),
            categories=Vocabulary.read(folder / "categories.json"),
            users=msgspec.json.decode((folder / "users.json").read_bytes(), type=list[str]),
            features=ItemFeatures.read(folder / "item_features.npz"),
            timelines=timelines,
            train=Queries.read(folder / "train.npz", timelines),
            validation=Queries.read(folder / "validation.npz", timelines),
            test=Queries.read(folder / "test.npz", timelines),
            cuts=msgspec.json.decode((folder / "freeze.json").read_bytes(), type=Cuts),
            history_length=msgspec.json.decode((folder / "shape.json").read_bytes())["history_length"],
        )

    @property
    def selection(self) -> Fold:
        """What is learned before validation."""
        counts, freeze = self.features.count_train, self.cuts.validation_start
        return self._fold("selection", self.train, self.validation, counts, freeze)

    @property
    def final(self) -> Fold:
        """What is learned before the test."""
        return self._fold("final", self.before_test(), self.test, self.features.count_fit, self.cuts.test_start)

    def _fold(self, name: str, learn: Queries, ask: Queries, counts: Longs, freeze: int) -> Fold:
        known = self.timelines.before(freeze)
        return Fold(name, known, learn, ask, self.catalogue(freeze), counts, freeze)

    def catalogue(self, freeze: int) -> npt.NDArray[np.bool_]:
        """[num_items] which items had been taken before the freeze, and so may be recommended."""
        return self.features.first_seen < freeze

    def before_test(self) -> Queries:
        """Train and validation queries, in time order: what the final fit may learn from."""
        return Queries(
            self.timelines,
            *(
                np.concatenate([getattr(part, name) for part in (self.train, self.validation)])
                for name in ("user", "end", "time", "target")
            ),
        )
