"""The same scores for everybody: what is taken most."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Queries
from scoring.forms import required


@dataclass(frozen=True)
class Popular:
    """One score an item."""

    KIND: ClassVar[str] = "popular"

    counts: Floats
    """[items]"""

    def scores(self, queries: Queries) -> Floats:
        """[n, items] the counts, for every query."""
        return np.broadcast_to(self.counts, (len(queries), len(self.counts)))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept; see `scoring.forms`."""
        return {"counts": self.counts}

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept: none."""
        return {}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Popular":  # noqa: ARG003
        """The inverse of `arrays`.

        Raises:
            scoring.forms.FormError: the counts are missing or no finite vector.
        """
        return cls(required(arrays, "counts", ndim=1))
