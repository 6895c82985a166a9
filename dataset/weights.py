"""How strong each taking was: the prepared log's weights (a rating, a count), looked up for queries.

A weight is known only after the item was taken, so it may be a label and never a feature.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dataset.query import Floats, Queries
from dataset.schema import ITEM, TIMESTAMP, USER, WEIGHT
from dataset.world import World


class WeightsError(ValueError):
    """A query's taking does not stand in the log."""


def weights(table: pa.Table, world: World, queries: Queries) -> Floats:
    """[n] weight of each query's taking, the first in file order of several at one moment.

    Args:
        table: user_id, item_id, timestamp and weight of all interactions.
        world: whose indices the queries use.
        queries: n queries whose targets are in the vocabulary.

    Raises:
        WeightsError: an interaction is missing, so that log and features are not of one run.
    """
    logged = pd.DataFrame(
        {
            "user": pc.index_in(table[USER], value_set=pa.array(world.users)).to_numpy(),
            "item": world.items.index(table[ITEM].to_pylist()),
            "time": table[TIMESTAMP].to_numpy(),
            "weight": table[WEIGHT].to_numpy(),
        }
    )
    keys = ["user", "item", "time"]
    asked = pd.DataFrame({"user": queries.user, "item": queries.target, "time": queries.time})
    found = asked.merge(logged.drop_duplicates(keys), how="left", on=keys)["weight"].to_numpy()
    if np.isnan(found).any():
        raise WeightsError(
            f"each of {len(queries)} takings must stand in the prepared log. Received: {np.isnan(found).sum()} that do "
            "not; run `dvc repro featurize`"
        )
    return found.astype(np.float32)
