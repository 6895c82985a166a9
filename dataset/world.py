"""The features folder read back: all that training and evaluation start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from dataset.features import ItemFeatures
from dataset.query import Longs, Queries, Timelines
from dataset.ratings import Ratings
from dataset.split import PARTS, TEST, VALIDATION, Cuts, Protocol
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
    """[num_items] what may be recommended: what anybody has taken in `known`."""
    counts: Longs
    """[num_items] interactions in `known`."""
    freeze: int
    """Nothing at or after this moment is known, seconds since 1970-01-01 UTC."""
    features: ItemFeatures
    """Of items, as they may be known."""


@dataclass(frozen=True)
class World:
    """Items, users, their features and the queries, as `tasks.featurize` wrote them."""

    items: Vocabulary
    titles: list[str]
    """By item index."""
    categories: Vocabulary
    users: list[str]
    """By user index."""
    user_columns: dict[str, list[str]]
    """Column of the user table -> what it says, by user index; "" where nothing is known."""
    features: ItemFeatures
    """As they are known for the final fit and the evaluation."""
    selection_features: ItemFeatures
    """As they are known before validation: the same ones in the temporal protocol, where they are read as of then."""
    timelines: Timelines
    train: Queries
    validation: Queries
    test: Queries
    cuts: Cuts
    ratings: Ratings
    """Of all parts; none when the log has no weights."""
    protocol: Protocol
    """What `validation` and `test` are, see `dataset.split`."""
    known: Mapping[str, Longs] | None
    """validation, test -> [num_users] how much of each timeline is known before it; None when that is up to its cut."""
    history_length: int
    """Items of a history that a model reads."""

    @classmethod
    def read(cls, folder: Path) -> "World":
        """Reads a features folder."""
        timelines = Timelines.read(folder / "timelines.npz")
        shape = msgspec.json.decode((folder / "shape.json").read_bytes())
        temporal = shape["protocol"] == "temporal"
        features = ItemFeatures.read(folder / "item_features.npz")
        return cls(
            items=Vocabulary.read(folder / "items.json"),
            titles=msgspec.json.decode((folder / "titles.json").read_bytes(), type=list[str]),
            categories=Vocabulary.read(folder / "categories.json"),
            users=msgspec.json.decode((folder / "users.json").read_bytes(), type=list[str]),
            user_columns=msgspec.json.decode((folder / "user_columns.json").read_bytes(), type=dict[str, list[str]]),
            features=features,
            selection_features=features if temporal else ItemFeatures.read(folder / "selection_features.npz"),
            timelines=timelines,
            train=Queries.read(folder / "train.npz", timelines),
            validation=Queries.read(folder / "validation.npz", timelines),
            test=Queries.read(folder / "test.npz", timelines),
            cuts=msgspec.json.decode((folder / "freeze.json").read_bytes(), type=Cuts),
            ratings=Ratings.read(folder / "ratings.npz"),
            protocol=shape["protocol"],
            known=None if temporal else _arrays(folder / "known.npz"),
            history_length=shape["history_length"],
        )

    @property
    def selection(self) -> Fold:
        """What is learned before validation."""
        counts, freeze = self.features.count_train, self.cuts.validation_start
        known = self._before(VALIDATION, freeze)
        catalogue, features = self.selection_features.first_seen < freeze, self.selection_features
        return Fold("selection", known, self.train, self.validation, catalogue, counts, freeze, features)

    @property
    def final(self) -> Fold:
        """What is learned before the test."""
        counts, freeze = self.features.count_fit, self.cuts.test_start
        known = self._before(TEST, freeze)
        catalogue, features = self.features.first_seen < freeze, self.features
        return Fold("final", known, self.before_test(), self.test, catalogue, counts, freeze, features)

    def _before(self, part: int, freeze: int) -> Timelines:
        """What may be known of users when a part is asked."""
        return self.timelines.before(freeze) if self.known is None else self.timelines.first(self.known[PARTS[part]])

    def before_test(self) -> Queries:
        """Train queries and then validation queries: what the final fit may learn from."""
        return Queries(
            self.timelines,
            *(
                np.concatenate([getattr(part, name) for part in (self.train, self.validation)])
                for name in ("user", "end", "time", "target")
            ),
        )


def _arrays(path: Path) -> dict[str, Longs]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
