"""What is known of items and users beside who took what, as far as metrics and slices need it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset.query import Ints, Longs, Queries
from evaluation import calibration, slices
from evaluation.lists import category_directions, directions
from evaluation.metrics import Values
from evaluation.slices import Mask


class ContentError(ValueError):
    """What is told of items and users does not fit them."""


@dataclass(frozen=True)
class Content:
    """Items and users as they were when the test began, but for `first_seen`, which is of any time."""

    categories: Ints
    """[num_items, c] category indices, filled up with PADDING."""
    category_names: Sequence[str]
    """By category index, the two reserved ones included."""
    first_seen: Longs
    """[num_items] time of each item's first interaction, test included; later than any query when there is none."""
    recent: Longs
    """[num_items] interactions in the last weeks before the freeze: what anybody could recommend."""
    vectors: npt.NDArray[np.floating] | None = None
    """[num_items, d] what the items are about, zeros for an unknown one; None takes their categories instead."""
    groups: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    """Column of the user table -> [num_users] each user's group, "" for an unknown one; see `evaluation.groups`."""
    min_group_users: int = 1
    """Users that a group must have among those who ask, or it has no slice."""
    most: int = 8
    """Slices of categories, and of groups of one column, at most."""
    directions: Values | sparse.csr_array = field(init=False, repr=False, compare=False)
    """[num_items, d], see `evaluation.lists.diversity`."""
    weights: sparse.csr_array = field(init=False, repr=False, compare=False)
    """[num_items, num_categories], see `evaluation.calibration.shares`."""

    def __post_init__(self) -> None:
        self._check()
        towards = category_directions(self.categories) if self.vectors is None else directions(self.vectors)
        object.__setattr__(self, "directions", towards)
        object.__setattr__(self, "weights", calibration.shares(self.categories))

    def slices(self, queries: Queries, counts: Longs) -> dict[str, Mask]:
        """Name -> [n] the fine slices: by history, by the target's age, popularity and category, by group of users.

        Args:
            queries: the n queries.
            counts: [num_items] interactions before the freeze.
        """
        target = queries.target
        return (
            slices.by_history(queries.end)
            | slices.by_age(queries.time, self.first_seen[target])
            | slices.by_popularity(counts[target])
            | slices.by_category(self.categories[target], self.category_names, most=self.most)
            | slices.by_group(self.groups, queries.user, most=self.most, min_users=self.min_group_users)
        )

    def _check(self) -> None:
        items = len(self.categories)
        told = {"first_seen": self.first_seen, "recent": self.recent, "vectors": self.vectors}
        for name, array in told.items():
            if array is not None and len(array) != items:
                raise ContentError(f"{name} must tell of the {items} items of categories. Received: {len(array)}")
        if self.vectors is not None and not np.isfinite(self.vectors).all():
            raise ContentError("vectors must be finite. Received: NaN or infinite values")
        if self.categories.max(initial=0) >= len(self.category_names):
            raise ContentError(
                f"category_names must name each index of categories, up to {self.categories.max()}. "
                f"Received: {len(self.category_names)} names"
            )
