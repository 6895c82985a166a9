"""User to user: who has taken what you have taken, and what else these take.

    sim(h, v)   = w(h) . r_v / (|w(h)| |r_v| + shrink),        w(h)_j = .5^(age of j in h / half_life)
    score(h, i) = sum over v of sim(h, v) r_vi,                v among the `neighbours` users most similar to h

r_v is 1 for what the known user v has taken. A query is its history, so it needs no user who was there before; one who
was is their own nearest neighbour, and takes one of the places without a vote for anything new.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset.query import Floats, Queries
from scoring.forms import FormError, csr, csr_arrays, faded, half_life_kept, half_life_read

TAKEN: Final = "taken"
CELLS: Final = 20_000_000
"""Similarities held at a time."""


@dataclass(frozen=True)
class UserNeighbours:
    """The known users, and how a history is compared with theirs."""

    KIND: ClassVar[str] = "user-neighbours"

    taken: sparse.csr_array
    """[users, items] float32, 1 where a user has taken an item; no row is empty."""
    neighbours: int
    """Users that vote; those as similar as the last one of them vote too."""
    shrink: float
    """Added to the denominator."""
    half_life: float
    """Positions after which an item of the query's history counts half; infinite for no fading."""
    longest: int
    """Positions of a history that are read."""
    _takers: sparse.csr_array = field(init=False, repr=False, compare=False)
    _norm: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_takers", self.taken.T.tocsr())
        object.__setattr__(self, "_norm", _norms(self.taken))

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        return np.concatenate([(near @ self.taken).toarray() for near in self._near(queries)])

    def _near(self, queries: Queries) -> Iterator[sparse.csr_array]:
        """[rows, users] similarities to the neighbours, some rows at a time."""
        users, items = self.taken.shape
        step = max(CELLS // users, 1)
        for start in range(0, len(queries), step):
            some = queries[start : start + step]
            history = faded(some, half_life=self.half_life, longest=self.longest, items=items, distinct=True)
            shared = (history @ self._takers).toarray()
            size = _norms(history)[:, None] * self._norm + np.float32(self.shrink)
            alike = np.divide(shared, size, out=shared, where=shared > 0)
            if users > self.neighbours:
                weakest = np.partition(alike, users - self.neighbours, axis=1)[:, users - self.neighbours]
                alike[alike < weakest[:, None]] = 0.0
            yield sparse.csr_array(alike)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        return csr_arrays(TAKEN, self.taken)

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {
            "neighbours": self.neighbours,
            "shrink": self.shrink,
            "half_life": half_life_kept(self.half_life),
            "longest": self.longest,
        }

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "UserNeighbours":
        """The inverse of `arrays` and `settings`.

        Raises:
            scoring.forms.FormError: the arrays make no matrix, or one without users.
        """
        taken = csr(arrays, TAKEN)
        if taken.shape[0] == 0:
            raise FormError(f"{TAKEN}: must have at least one user. Received: 0")
        half_life = half_life_read(settings["half_life"])
        return cls(taken, int(settings["neighbours"]), float(settings["shrink"]), half_life, int(settings["longest"]))


def _norms(rows: sparse.csr_array) -> Floats:
    """[n] Euclidean lengths of the rows."""
    lengths: Floats = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1), np.float32))
    return lengths
