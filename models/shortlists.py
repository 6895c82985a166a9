"""What a ranker learns from: the lists that a retrieval gives to queries that it did not learn from.

numbers         float32 [n, c, w]   of the pairs
absent          float32 [n, c]      0, or a large negative number where a list is shorter
taken           int32 [n]           place of the item that was taken
weight          float32 [n]         of the taking, standardized
item            int32 [n, c]        0 where a list is shorter; this and the next two are for an embedding alone
history         int32 [n, L]        newest first
fade            float32 [n, L]      weights of the history, which sum to 1

The negatives are those that the retrieval ranks high, which is what the ranker will meet. A query whose item is not on
its list teaches nothing and is left out: served, the ranker could do nothing about it either.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Ints, Longs, Queries
from dataset.vocabulary import PADDING
from highest import NOTHING
from models.fit import TooFewExamplesError
from scoring.two_stage import CHUNK, Retrieval

ABSENT: Final = -1e9
MOST: Final = 3.0
"""Standard deviations of a weight beyond which it counts no more."""


@dataclass(frozen=True)
class Shortlists:
    """Lists with an answer."""

    items: Longs
    """[n, c] NOTHING where there are fewer."""
    numbers: Floats
    """[n, c, w]"""
    time: Longs
    """[n] when it was asked."""
    taken: Ints
    """[n] place in the list."""
    weight: Floats
    """[n]; all alike where the log has none."""
    history: Ints
    """[n, L]"""
    half_life: float
    """Of the embedded history."""

    def __len__(self) -> int:
        return len(self.taken)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> "Shortlists":
        names = ("items", "numbers", "time", "taken", "weight", "history")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @property
    def scaling(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each number [w]; 1 for a number that never changes."""
        present = self.items != NOTHING
        mean, deviation = np.empty((2, self.numbers.shape[2]))
        # One number at a time: all of them in double precision would be the most that this stage ever holds.
        for column in range(len(mean)):
            values = self.numbers[..., column][present].astype(np.float64)
            mean[column], deviation[column] = values.mean(), values.std()
        scale = np.where(deviation > 1e-6, deviation, 1.0)
        return mean.astype(np.float32), scale.astype(np.float32)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What the module's head describes."""
        weight = (self.weight - self.weight.mean()) / (self.weight.std() if self.weighted else 1.0)
        fade = 0.5 ** (np.arange(self.history.shape[1]) / self.half_life) * (self.history != PADDING)
        return {
            "numbers": self.numbers,
            "absent": np.where(self.items == NOTHING, ABSENT, 0.0).astype(np.float32),
            "taken": self.taken,
            "weight": np.clip(weight, -MOST, MOST).astype(np.float32),
            "item": np.maximum(self.items, PADDING).astype(np.int32),
            "history": self.history,
            "fade": (fade / np.maximum(fade.sum(axis=1, keepdims=True), 1e-9)).astype(np.float32),
        }

    @property
    def weighted(self) -> bool:
        """Whether weights tell takings apart."""
        return bool(np.ptp(self.weight) > 0)


def shortlists(retrieval: Retrieval, queries: Queries, weight: Floats) -> Shortlists:
    """The lists of those queries whose item is on theirs, in their order.

    Args:
        retrieval: knows nothing of the answers.
        queries: n queries.
        weight: [n] of each taking.

    Raises:
        TooFewExamplesError: there is no query.
    """
    if len(queries) == 0:
        raise TooFewExamplesError(
            "validation must have a query whose item could be recommended. Received: none. Raise "
            "split.validation_share, or bring a longer log"
        )
    length = retrieval.candidates
    # Written in place: the numbers are what this stage holds most of, and a list of parts would hold them twice.
    items = np.empty((len(queries), length), np.int64)
    numbers = np.empty((len(queries), length, retrieval.pairs.width(len(retrieval.parts))), np.float32)
    asked, taken = np.empty(len(queries), np.int64), np.empty(len(queries), np.int32)
    kept = 0
    for start in range(0, len(queries), CHUNK):
        # Filled up with the last one: BLAS picks its kernel by the shape of a product, and another rounds another way,
        # so that a list would depend on how many are asked after it.
        some = queries[np.minimum(np.arange(start, start + CHUNK), len(queries) - 1)]
        listed, _ = retrieval.ask(some)
        row, place = np.nonzero((listed.items == some.target[:, None])[: len(queries) - start])
        new = slice(kept, kept + len(row))
        items[new], numbers[new] = listed.items[row], listed.numbers[row]
        asked[new], taken[new] = start + row, place
        kept = new.stop
    asked = asked[:kept]
    history = queries[asked].history(retrieval.pairs.longest)
    return Shortlists(
        items=items[:kept],
        numbers=numbers[:kept],
        time=queries.time[asked],
        taken=taken[:kept],
        weight=weight[asked],
        history=history,
        half_life=retrieval.pairs.half_lives[0],
    )
