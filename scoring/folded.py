"""Matrix factorization whose user vector is solved for when it is asked: one least squares problem for each history.

    x(h)        = argmin over x of sum over items i of c_i (p_i - x . y_i)^2 + l2 |x|^2
                = (Y'Y + l2 I + Y'(C - I)Y)^-1 Y'C p
    score(h, j) = x(h) . y_j

p_i is 1 for the items of the history, c_i = 1 + alpha .5^(age_i / half_life) for them and 1 for all others: what was
taken long ago is trusted less. It is the user's half of alternating least squares (Hu, Koren and Volinsky 2008), so
nothing is kept of the users that were learned from, and anyone with a history can be asked about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset.query import Floats, Queries
from scoring.forms import FormError, faded, half_life_kept, half_life_read
from scoring.tables import Table

FACTORS: Final = "factors"
CELLS: Final = 4_000_000
"""Numbers of gathered factors and of normal equations held at a time."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Folded:
    """Item factors, and what it takes to solve for a user's."""

    KIND: ClassVar[str] = "folded"

    factors: Table
    """[items, d]"""
    l2: float
    """Must be positive, or a short history has no single solution."""
    alpha: float
    """What having been taken just now adds to the confidence 1."""
    half_life: float
    """Positions after which an item of the history adds half of that; infinite for no fading."""
    longest: int
    """Positions of a history that are read."""
    _factors: Doubles = field(init=False, repr=False, compare=False)
    _gram: Doubles = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Normal equations square the condition number: float32 would leave a few digits.
        factors = self.factors.wide().astype(np.float64)
        object.__setattr__(self, "_factors", factors)
        object.__setattr__(self, "_gram", factors.T @ factors + self.l2 * np.eye(factors.shape[1]))

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        scores: Floats = (self.query_vectors(queries) @ self._factors.T).astype(np.float32)
        return scores

    def query_vectors(self, queries: Queries) -> Doubles:
        """[n, d], zeros where there is no history."""
        items, width = self._factors.shape
        history = faded(queries, half_life=self.half_life, longest=self.longest, items=items, distinct=True)
        most = max(int(np.diff(history.indptr).max(initial=0)), 1)
        step = max(CELLS // (width * (most + width)), 1)
        found = [self._solved(history[start : start + step]) for start in range(0, len(queries), step)]
        return np.concatenate(found)

    def _solved(self, history: sparse.csr_array) -> Doubles:
        """[n, d] solutions for n rows of weights [n, items]."""
        taken = np.diff(history.indptr)
        present = np.arange(taken.max(initial=0)) < taken[:, None]
        extra, column = np.zeros(present.shape), np.zeros(present.shape, np.int64)
        extra[present], column[present] = self.alpha * history.data, history.indices
        read = self._factors[column]
        gram = self._gram + (read * extra[..., None]).transpose(0, 2, 1) @ read
        right = (present * (1 + extra))[:, None, :] @ read
        return np.linalg.solve(gram, right.transpose(0, 2, 1))[..., 0]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        return self.factors.arrays(FACTORS)

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        return {
            "l2": self.l2,
            "alpha": self.alpha,
            "half_life": half_life_kept(self.half_life),
            "longest": self.longest,
        }

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Folded":
        """The inverse of `arrays` and `settings`.

        Raises:
            scoring.forms.FormError: the factors are missing or not finite, or the problem has no single solution.
        """
        l2, alpha, half_life = float(settings["l2"]), float(settings["alpha"]), half_life_read(settings["half_life"])
        if not (l2 > 0 and alpha >= 0):
            raise FormError(f"l2 must be positive and alpha not negative. Received: {l2} and {alpha}")
        return cls(Table.of(arrays, FACTORS), l2, alpha, half_life, int(settings["longest"]))
