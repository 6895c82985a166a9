"""A weighted sum of several forms' scores, each standardized for each query; the weights may depend on the history.

    score(q) = sum_j w_j(b) (s_j(q) - mean(s_j(q))) / std(s_j(q)),        b the bucket of q's history length

Standardizing over the items makes cosines, counts and dot products comparable; a part that tells nothing apart adds
nothing. With one bucket it is a plain blend, with several it also switches to what works for newcomers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Longs, Queries
from scoring.forms import Form, FormError
from scoring.kinds import SIMPLE


@dataclass(frozen=True)
class Blend:
    """Parts and their weights."""

    KIND: ClassVar[str] = "blend"

    parts: Sequence[Form]
    """p forms over the same items."""
    steps: Sequence[int]
    """Ascending, [0] = 0: bucket b holds histories of at least steps[b] interactions."""
    weights: Floats
    """[buckets, p]"""

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        return self.weighted(queries, (standardized(part.scores(queries)) for part in self.parts))

    def weighted(self, queries: Queries, standard: Iterable[Floats]) -> Floats:
        """[n, items] from each part's standardized scores [n, items] of the same queries."""
        weights = self.weights[bucket(queries, self.steps)]
        total: Floats | None = None
        for column, found in enumerate(standard):
            weighted = found * weights[:, column, None]
            total = weighted if total is None else np.add(total, weighted, out=total)
        assert total is not None  # `of` refuses a blend of nothing
        return total

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The parts' arrays under their numbers, and the weights."""
        arrays: dict[str, npt.NDArray[Any]] = {"weights": self.weights}
        for number, part in enumerate(self.parts):
            arrays |= {f"{number}-{name}": array for name, array in part.arrays().items()}
        return arrays

    def settings(self) -> dict[str, Any]:
        """The parts' kinds and settings."""
        return {
            "steps": list(self.steps),
            "parts": [{"kind": part.KIND, "settings": part.settings()} for part in self.parts],
        }

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Blend":
        """The inverse of `arrays` and `settings`.

        Raises:
            FormError: a part is not what it should be, or the weights do not fit the parts.
        """
        parts: list[Form] = []
        for number, part in enumerate(settings["parts"]):
            if part["kind"] not in SIMPLE:
                raise FormError(f"parts of a blend must be one of {sorted(SIMPLE)}. Received: {part['kind']!r}")
            prefix = f"{number}-"
            mine = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            parts.append(SIMPLE[part["kind"]].of(mine, part["settings"]))
        weights, steps = arrays.get("weights"), list(settings["steps"])
        shape = (len(steps), len(parts))
        if not parts or weights is None or weights.shape != shape or not np.isfinite(weights).all():
            raise FormError(f"weights: must be finite {shape}. Received: {None if weights is None else weights.shape}")
        if steps[:1] != [0] or steps != sorted(set(steps)):
            raise FormError(f"steps: must ascend from 0. Received: {steps}")
        return cls(parts, steps, weights)


def bucket(queries: Queries, steps: Sequence[int]) -> Longs:
    """[n] which bucket each query's history length belongs to."""
    return (np.searchsorted(np.asarray(steps), queries.end, side="right") - 1).astype(np.int64)


def standardized(scores: Floats) -> Floats:
    """Each row with mean 0 and standard deviation 1; zeros where all scores are equal. A new array."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1, keepdims=True)
    flat: Floats = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-12)
    return flat
