"""Asks a model that has another vocabulary: a champion on the challenger's queries."""

from dataclasses import dataclass

import numpy as np

from dataset.query import Floats, Ints, Queries, Timelines
from dataset.vocabulary import OOV, Vocabulary
from evaluation.protocol import Scorer


@dataclass(frozen=True)
class Translated:
    """A scorer in our vocabulary around one in theirs."""

    scorer: Scorer
    index: Ints
    """[our items] index in their vocabulary, OOV where they do not know the item."""

    @classmethod
    def of(cls, scorer: Scorer, *, theirs: Vocabulary, ours: Vocabulary) -> "Translated":
        """Builds the translation from the two vocabularies."""
        return cls(scorer, theirs.index(ours.ids))

    def scores(self, queries: Queries) -> Floats:
        """[n, our items]; an item that they do not know stands behind all that they do."""
        scores = self.scorer.scores(translate(queries, self.index))
        unknown = self.index <= OOV
        translated = scores[:, self.index]
        lowest = scores.min(axis=1, keepdims=True)
        # Beyond 2 ** 24 one less is the same float32, and a tie would not stand behind.
        translated[:, unknown] = np.minimum(lowest - 1, np.nextafter(lowest, np.float32(-np.inf)))
        return translated


def translate(queries: Queries, index: Ints) -> Queries:
    """The same queries with items renamed by `index`; unknown items vanish from histories, as they do in serving."""
    lines = queries.timelines
    items = index[lines.items]
    known = items > OOV
    before = np.concatenate([[0], np.cumsum(known)])
    start = lines.starts[queries.user]
    return Queries(
        Timelines(before[lines.starts], items[known], lines.times[known]),
        user=queries.user,
        end=before[start + queries.end] - before[start],
        time=queries.time,
        target=index[queries.target],
    )
