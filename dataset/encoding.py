"""Ids to indices: which items a model can know, which users there are, and the log in these numbers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataset.schema import ITEM, TIMESTAMP, USER
from dataset.timelines import Log
from dataset.vocabulary import Vocabulary


@dataclass(frozen=True)
class Encoded:
    """A prepared log with its ids replaced by indices, and what the indices mean."""

    log: Log
    users: list[str]
    """User ids in the order of their first interaction; the position is the user's index."""
    items: Vocabulary
    """Items that were taken often enough before the test, the most often taken first, then by id."""
    names: list[str]
    """All item ids, in vocabulary or not, by `Log.identity`."""


def encode(table: pa.Table, *, fit: npt.NDArray[np.bool_], min_item_count: int) -> Encoded:
    """Replaces ids by indices.

    Args:
        table: user_id, item_id and timestamp of all interactions, in time order.
        fit: [interactions] the vocabulary is made of these, which are known before the test.
        min_item_count: rarer items are out of vocabulary.
    """
    users, user = _codes(table[USER])
    names, identity = _codes(table[ITEM])
    time = table[TIMESTAMP].to_numpy().astype(np.int64)
    items = Vocabulary.of(known_items(names, identity[fit].astype(np.int64), min_item_count))
    log = Log(user.astype(np.int32), items.index(names)[identity], identity.astype(np.int64), time)
    return Encoded(log, users, items, names)


def known_items(names: list[str], identity: npt.NDArray[np.int64], min_item_count: int) -> list[str]:
    """Those `names` that occur at least `min_item_count` times (and once) in `identity`, in vocabulary order."""
    counts = np.bincount(identity, minlength=len(names))
    known = np.flatnonzero(counts >= max(min_item_count, 1))
    return [names[code] for code in sorted(known, key=lambda code: (-counts[code], names[code]))]


def _codes(column: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Distinct values in the order of their first occurrence, and each row's position among them."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)
