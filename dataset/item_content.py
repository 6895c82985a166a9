"""What items are about, from the item table: categories, year, numbers and texts as features by item index.

None of it depends on interactions, but for one thing: what is fitted is fitted on the items that anybody had taken
before validation, so it changes when these do and not when anything later does.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataset import features, texts, treatments
from dataset.query import Floats, Ints
from dataset.schema import CATEGORIES, ITEM, ITEM_COLUMNS, TITLE, YEAR
from dataset.texts import Encoder
from dataset.treatments import Mask, Table, Treatment
from dataset.vocabulary import OOV, RESERVED, Vocabulary

MOST_CATEGORIES = 64
"""The most frequent categories tell which items are alike when a gap is filled by a model."""


@dataclass(frozen=True)
class Recipe:
    """How numbers and texts become the dense features."""

    treatment: Treatment
    text: Encoder
    text_columns: Sequence[str]
    """Of title, categories and text: what an item's text is put together from."""
    text_components: int
    components: int
    """Of numbers and texts together; 0 leaves them as they are."""


@dataclass(frozen=True)
class ItemContent:
    """By item index, the reserved two included, of whom nothing is known."""

    titles: list[str]
    vocabulary: Vocabulary
    """Of categories, the most frequent first."""
    categories: Ints
    """[num_items, c], as in `dataset.features.ItemFeatures`."""
    year: Floats
    """[num_items]"""
    dense: Floats
    """[num_items, d]"""


def of_items(table: pa.Table, items: Vocabulary, fitted: Mask, recipe: Recipe) -> ItemContent:
    """Makes the features.

    Args:
        table: the item table, see `dataset.schema.ITEM_COLUMNS`; its other columns are numbers.
        items: of the items that features are wanted of; each has a row.
        fitted: [num_items] which of them are learned from.
        recipe: what becomes of numbers and texts.

    Raises:
        dataset.features.FeatureError: a number is too large, or the sentence encoder is not installed.
    """
    place = {name: row for row, name in enumerate(table[ITEM].to_pylist())}
    rows = table.take([place[name] for name in items.ids[len(RESERVED) :]])
    names = rows[CATEGORIES].to_pylist()
    seen = Counter(name for row in names for name in row)
    vocabulary = Vocabulary.of(sorted(seen, key=lambda name: (-seen[name], name)))
    indices = features.categories([[] for _ in RESERVED] + names, vocabulary)
    learned = fitted[len(RESERVED) :]
    numbers = treatments.filled(_numbers(rows), _many_hot(indices[len(RESERVED) :]), learned, recipe.treatment)
    blocks = [
        treatments.dense(numbers[:, 1:], learned, recipe.treatment),
        texts.vectors(
            _texts(rows, recipe.text_columns), learned, encoder=recipe.text, components=recipe.text_components
        ),
    ]
    return ItemContent(
        titles=[""] * len(RESERVED) + rows[TITLE].to_pylist(),
        vocabulary=vocabulary,
        categories=indices,
        year=_behind_reserved(features.year(numbers[:, 0])),
        dense=_behind_reserved(treatments.reduced(np.concatenate(blocks, axis=1), learned, recipe.components)),
    )


def _numbers(rows: pa.Table) -> Table:
    """[n, 1 + c] the year and the numeric columns, NaN where unknown."""
    names = [YEAR, *(name for name in rows.column_names if name not in ITEM_COLUMNS)]
    return np.stack([np.array(rows[name].to_pylist(), np.float64) for name in names], axis=1)


def _many_hot(indices: Ints) -> Table:
    """[n, categories] 1 where an item has one of the most frequent categories."""
    kept = np.where(indices < OOV + 1 + MOST_CATEGORIES, indices, OOV)
    found = np.zeros((len(indices), max(int(kept.max(initial=OOV)) + 1, OOV + 1)))
    np.put_along_axis(found, kept, 1.0, axis=1)
    return found[:, OOV + 1 :]


def _texts(rows: pa.Table, columns: Sequence[str]) -> list[str]:
    """One text for each item."""
    parts = [rows[name].to_pylist() for name in columns]
    return [" ".join(_plain(value) for value in values).strip() for values in zip(*parts, strict=True)] or [
        "" for _ in range(len(rows))
    ]


def _plain(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " ".join(value)


def _behind_reserved(known: Floats) -> Floats:
    nothing: npt.NDArray[np.float32] = np.zeros((len(RESERVED), *known.shape[1:]), np.float32)
    return np.concatenate([nothing, known])
