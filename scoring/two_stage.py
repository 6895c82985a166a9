"""Retrieval and ranking: the best few hundred of the retrieval are ordered anew, all others stay behind as they were.

    shortlist(q)  = the n best by retrieval of what may be recommended and q has not taken
    score(q, i)   = above all others, in the order of ranker(q, i)      i in the shortlist
                    retrieval(q, i)                                     all others

Covington et al. 2016, "Deep neural networks for YouTube recommendations" (RecSys).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Longs, Queries
from highest import LOWEST, NOTHING, highest
from scoring.blend import Blend, standardized
from scoring.cross_network import CrossNetwork
from scoring.fading import Fading
from scoring.forms import Form, FormError
from scoring.kinds import SIMPLE
from scoring.pairs import Pairs

CHUNK: Final = 256
"""Queries that are ranked at a time."""
RETRIEVERS: Final[dict[str, type[Form]]] = {**SIMPLE, Blend.KIND: Blend}


@dataclass(frozen=True)
class Shortlist:
    """What a ranker is given for n queries."""

    items: Longs
    """[n, c] candidates, best first, NOTHING where there are fewer."""
    numbers: Floats
    """[n, c, width] see `scoring.pairs`; of no meaning where there is NOTHING."""
    history: Fading
    """Of the n queries."""


@dataclass(frozen=True)
class Retrieval:
    """The first stage: a form and what may be recommended."""

    form: Form
    catalogue: npt.NDArray[np.bool_]
    """[items] what may be recommended."""
    candidates: int
    """Length of the shortlist."""
    pairs: Pairs

    @property
    def parts(self) -> Sequence[Form]:
        """The forms of a blend; none where the form stands alone."""
        return self.form.parts if isinstance(self.form, Blend) else ()

    def ask(self, queries: Queries) -> tuple[Shortlist, Floats]:
        """The shortlist, and the retrieval's scores [n, items]."""
        parts = [standardized(part.scores(queries)) for part in self.parts]
        scores = self.form.weighted(queries, parts) if isinstance(self.form, Blend) else self.form.scores(queries)
        items, history = self._best(queries, scores), self.pairs.history(queries)
        numbers = self.pairs.numbers(queries, history, np.maximum(items, 0), scores, parts)
        return Shortlist(items, numbers, history), scores

    def _best(self, queries: Queries, scores: Floats) -> Longs:
        """[n, c] lower index first among equals."""
        return highest(np.where(queries.unseen(self.catalogue), scores, LOWEST), self.candidates)[0]


@dataclass(frozen=True)
class TwoStage:
    """A retrieval and the ranker upon it."""

    KIND: ClassVar[str] = "two-stage"

    retrieval: Retrieval
    ranker: CrossNetwork

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        scores = np.empty((len(queries), len(self.retrieval.catalogue)), np.float32)
        for start in range(0, len(queries), CHUNK):
            rows = slice(start, start + CHUNK)
            scores[rows] = self._scores(queries[rows])
        return scores

    def _scores(self, queries: Queries) -> Floats:
        listed, retrieved = self.retrieval.ask(queries)
        ranked = self.ranker.scores(listed.numbers, np.maximum(listed.items, 0), listed.history)
        return lifted(retrieved, listed.items, ranked)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept: the retrieval's arrays as `retrieval-...`, the ranker's as `ranker-...`."""
        stages = {
            "retrieval": self.retrieval.form.arrays(),
            "pairs": self.retrieval.pairs.arrays() | {"catalogue": self.retrieval.catalogue},
            "ranker": self.ranker.arrays(),
        }
        return {f"{stage}-{name}": array for stage, arrays in stages.items() for name, array in arrays.items()}

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept."""
        form = self.retrieval.form
        return {
            "candidates": self.retrieval.candidates,
            "layers": len(self.ranker.cross),
            "pairs": self.retrieval.pairs.settings(),
            "retrieval": {"kind": form.KIND, "settings": form.settings()},
        }

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "TwoStage":
        """The inverse of `arrays` and `settings`.

        Raises:
            FormError: an array is missing, not finite, or does not fit the others.
        """
        mine: dict[str, dict[str, npt.NDArray[Any]]] = {"retrieval": {}, "pairs": {}, "ranker": {}}
        for name, array in arrays.items():
            stage, _, rest = name.partition("-")
            mine.setdefault(stage, {})[rest] = array
        kind = settings["retrieval"]["kind"]
        if kind not in RETRIEVERS:
            raise FormError(f"retrieval must be one of {sorted(RETRIEVERS)}. Received: {kind!r}")
        form = RETRIEVERS[kind].of(mine["retrieval"], settings["retrieval"]["settings"])
        pairs = Pairs.of(mine["pairs"], settings["pairs"])
        catalogue = mine["pairs"].get("catalogue")
        if catalogue is None or catalogue.shape != (len(pairs.facts),) or catalogue.dtype != np.bool_:
            received = None if catalogue is None else f"{catalogue.dtype} {catalogue.shape}"
            raise FormError(f"pairs-catalogue: must be bool {(len(pairs.facts),)}. Received: {received}")
        retrieval = Retrieval(form, catalogue, int(settings["candidates"]), pairs)
        ranker = CrossNetwork.of(mine["ranker"], layers=int(settings["layers"]))
        width = pairs.width(len(retrieval.parts))
        if len(ranker.mean) != width:
            raise FormError(f"ranker-mean: must have the {width} numbers of a pair. Received: {len(ranker.mean)}")
        if len(ranker.embedding) != len(catalogue):
            raise FormError(f"ranker-embedding: must have {len(catalogue)} items. Received: {len(ranker.embedding)}")
        return cls(retrieval, ranker)


def lifted(scores: Floats, items: Longs, ranked: Floats) -> Floats:
    """[n, items] the retrieval's scores, with the shortlist's above all others in the order of `ranked`.

    Args:
        scores: [n, items] of the retrieval.
        items: [n, c] the shortlist, NOTHING where there are fewer.
        ranked: [n, c] the ranker's.
    """
    row, place = np.nonzero(items != NOTHING)
    lowest = np.where(items != NOTHING, ranked, np.inf).min(axis=1, initial=np.inf)
    # In the others' own scale, so that float32 keeps apart what the ranker keeps apart, however large scores are.
    top = scores.max(axis=1)
    step = np.maximum(np.abs(top), 1)
    found = scores.astype(np.float32)
    found[row, items[row, place]] = top[row] + step[row] * (1 + ranked[row, place] - lowest[row])
    return found
