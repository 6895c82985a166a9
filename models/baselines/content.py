"""Content-based: what is like the items of the history, by what is written about them; nobody need have taken it.

    profile(i)  = unit([categories_i ; year_weight years_i ; dense_weight dense_i])
    score(h, j) = (recency-weighted mean of the profiles of h) . profile(j)

which is their cosine, times a length that all candidates of a query share. Categories are weighted by how rare they
are (TF-IDF; Salton and Buckley 1988) and the rows of each block have length 1, or 0 where nothing is known. A year is
shared between two marks `year_span` apart, so that close years are alike. Texts and numbers are the dense features
(`dataset.item_content`). Lops, de Gemmis and Semeraro 2011, "Content-based recommender systems: state of the art and
trends".
"""

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from dataset.features import YEAR_SPAN, ItemFeatures
from dataset.vocabulary import OOV
from scoring.pooled import Pooled
from scoring.tables import Table

Doubles = npt.NDArray[np.float64]


class NoContentError(ValueError):
    """Nothing is known of any item."""


def fit(
    features: ItemFeatures,
    known: npt.NDArray[np.bool_],
    *,
    year_weight: float,
    year_span: float,
    dense_weight: float,
    half_life: float,
    longest: int,
) -> Pooled:
    """Makes the profiles.

    Args:
        features: of all items.
        known: [num_items] items whose categories say how rare a category is.
        year_weight: of years, relative to categories.
        year_span: years after which two are no longer alike.
        dense_weight: of texts and numbers, relative to categories.
        half_life: of a history, in positions; infinite for none.
        longest: positions of a history that are read.

    Raises:
        NoContentError: no item has categories, a year, text or numbers.
    """
    dense = features.dense.astype(np.float64)
    blocks = [_categories(features, known), year_weight * _years(features, year_span)]
    if dense.shape[1]:
        blocks.append(dense_weight * normalize(dense))
    profiles = normalize(np.concatenate(blocks, axis=1)).astype(np.float32)
    if not profiles.any():
        raise NoContentError(
            "items must have categories, a year, text or numbers for a content-based model. Received: none of them. "
            "Name the columns in prepare.columns, or take the model out of models"
        )
    return Pooled(Table(profiles), None, np.zeros(len(profiles), np.float32), half_life, longest)


def _categories(features: ItemFeatures, known: npt.NDArray[np.bool_]) -> Doubles:
    """[items, categories] unit rows."""
    row, column = np.nonzero(features.categories > OOV)
    category = features.categories[row, column]
    table = np.zeros((len(features.categories), int(features.categories.max(initial=OOV)) + 1))
    table[row, category] = 1.0
    weighted: Doubles = TfidfTransformer().fit(table[known]).transform(table).toarray()
    return weighted


def _years(features: ItemFeatures, span: float) -> Doubles:
    """[items, marks] unit rows, zeros where the year is unknown."""
    place = features.year.astype(np.float64) * YEAR_SPAN / span
    mark = np.floor(place).astype(np.int64)
    rows, table = np.arange(len(place)), np.zeros((len(place), int(mark.max(initial=0)) + 2))
    table[rows, mark], table[rows, mark + 1] = 1 - (place - mark), place - mark
    table[features.year == 0] = 0.0
    unit: Doubles = normalize(table)
    return unit
