"""Batches for a sequence model: windows cut anew at random places for each epoch, and constants of the catalogue.

Windows may be changed on the way, see `dataset.augmentation`; by chances of their own, so that the cuts and the order
are the same with and without.

history, age    int32 [b, L]     items and ages of a window, newest first
at              int32 [m]        flat index into them of the last event before a query, NOWHERE when there is none
context         float32 [m, 4]   of the query
target          int32 [m]
snapshot        int32 [m]        popularity as it was then: row of all_popularity
alive           int32 [m]        items that anybody had taken by then, in the order of `all_birth`
all_...                          of all N items: item, categories, year, popularity [snapshots, N, w], birth, share,
                                 dense where items have such features
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dataset import augmentation, windows
from dataset.augmentation import Augmentation
from dataset.features import ItemFeatures
from dataset.query import CONTEXT, Queries
from dataset.windows import NOWHERE
from models.architecture import SequenceArchitecture
from models.fit import Data, TooFewExamplesError

__all__ = ["NOWHERE", "data"]

Batch = dict[str, npt.NDArray[np.generic]]
SIGNATURE = {
    "history": tf.TensorSpec((None, None), tf.int32),
    "age": tf.TensorSpec((None, None), tf.int32),
    "at": tf.TensorSpec((None,), tf.int32),
    "context": tf.TensorSpec((None, len(CONTEXT)), tf.float32),
    "target": tf.TensorSpec((None,), tf.int32),
    "snapshot": tf.TensorSpec((None,), tf.int32),
    "alive": tf.TensorSpec((None,), tf.int32),
}


def data(
    architecture: SequenceArchitecture, queries: Queries, features: ItemFeatures, *, batch_size: int, seed: int
) -> Data:
    """Batches of `batch_size` windows, in an order that depends on seed and epoch alone.

    Raises:
        TooFewExamplesError: there is nothing to learn from.
        dataset.augmentation.AugmentationError: a share of the augmentation is not 0 or more, or not below 1.
    """
    _augmentation(architecture)
    queries = queries[queries.known()]
    if len(queries) == 0:
        raise TooFewExamplesError("training must have at least one query with a known item. Received: 0")
    epoch, told = 0, _told(queries, features)

    def epochs() -> Iterator[Batch]:
        nonlocal epoch
        epoch += 1
        yield from _epoch(architecture, queries, told, batch_size, np.random.default_rng([seed, epoch]))

    constants = {name: tf.constant(value) for name, value in _catalogue(queries, features).items()}
    batches = tf.data.Dataset.from_generator(epochs, output_signature=SIGNATURE)
    # The fewest windows there can be: a random shift adds at most one for each user.
    windows_at_least = len(np.unique(queries.user))
    return Data(batches.map(lambda batch: batch | constants).prefetch(3), max(windows_at_least // batch_size, 1))


def _told(queries: Queries, features: ItemFeatures) -> Batch:
    """What a batch says of each query, [n] of all, once for all epochs."""
    return {
        "context": queries.context(),
        "target": queries.target,
        "snapshot": features.snapshot(queries.time).astype(np.int32),
        "alive": np.searchsorted(np.sort(features.first_seen), queries.time, side="right").astype(np.int32),
    }


def _epoch(
    architecture: SequenceArchitecture, queries: Queries, told: Batch, batch_size: int, generator: np.random.Generator
) -> Iterator[Batch]:
    cut = windows.windows(queries, architecture.history_length, stride=architecture.stride, generator=generator)
    how, chance = _augmentation(architecture), generator.spawn(1)[0]
    for rows, asked in windows.batches(cut, batch_size=batch_size, generator=generator):
        history, age = cut.events(rows)
        at = cut.places(rows, asked, history.shape[1])
        if how.active:
            changed = augmentation.change(history, age, how, chance)
            history, age = changed.items, changed.ages
            # A query without history is answered from no event, so nothing can have happened to it.
            kept = (at == NOWHERE) | changed.askable.ravel()[at]
            asked, at = asked[kept], at[kept]
        yield {"history": history, "age": age, "at": at} | {name: column[asked] for name, column in told.items()}


def _augmentation(architecture: SequenceArchitecture) -> Augmentation:
    shares = architecture.augment
    return Augmentation(shares.crop, shares.mask, shares.reorder) if shares else Augmentation(0.0, 0.0, 0.0)


def _catalogue(queries: Queries, features: ItemFeatures) -> Batch:
    items = np.arange(len(features.year), dtype=np.int32)
    share = np.bincount(queries.target, minlength=len(items)) / len(queries)
    dense = {"all_dense": features.dense} if features.dense.shape[1] else {}
    return dense | {
        "all_item": items,
        "all_categories": features.categories,
        "all_year": features.year[:, None],
        "all_popularity": features.popularity,
        "all_birth": np.searchsorted(np.sort(features.first_seen), features.first_seen).astype(np.int32),
        "all_share": share.astype(np.float32),
    }
