"""Weights are those of the taking that a query is about."""

from typing import cast

import numpy as np
import pyarrow as pa
import pytest

from dataset.query import Queries, Timelines
from dataset.vocabulary import Vocabulary
from dataset.weights import WeightsError, weights
from dataset.world import World


class Small:
    """As much of a world as is read."""

    users = ("ann", "bob")
    items = Vocabulary.of(["x", "y"])


WORLD = cast(World, Small())
LOG = pa.table(
    {
        "user_id": ["bob", "ann", "ann", "bob", "bob", "eve"],
        "item_id": ["x", "x", "y", "y", "y", "rare"],
        "timestamp": np.array([10, 20, 20, 30, 30, 40]),
        "weight": np.array([1, 2, 3, 4, 5, 6], np.float32),
    }
)


def asked(*rows: tuple[int, int, int]) -> Queries:
    user, target, time = (np.array(column) for column in zip(*rows, strict=True))
    nothing = Timelines(np.zeros(3, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))
    return Queries(nothing, user.astype(np.int32), np.zeros(len(rows), np.int64), time, target.astype(np.int32))


def test_user_item_and_moment_tell_the_taking() -> None:
    # In any order; ann's y; bob's x; ann's x; of two takings at once (bob's y) the first.
    found = weights(LOG, WORLD, asked((0, 3, 20), (1, 2, 10), (0, 2, 20), (1, 3, 30)))
    assert found.tolist() == [3, 1, 2, 4]
    assert found.dtype == np.float32


@pytest.mark.parametrize("row", [(0, 2, 21), (0, 3, 30), (1, 2, 20)])
def test_a_taking_that_is_not_in_the_log_is_refused(row: tuple[int, int, int]) -> None:
    with pytest.raises(WeightsError, match=r"each of 2 takings must stand in the prepared log\. Received: 1"):
        weights(LOG, WORLD, asked(row, (1, 2, 10)))
