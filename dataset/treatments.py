"""Numbers that describe items, made fit for a model: gaps filled, scales made alike, dimensions reduced.

Whatever is fitted here (a median, a scale, neighbours, a projection) is fitted on the items that anybody had taken
before validation, and applied to all: an item that comes later is treated by what was known before it, and changes
nothing of how the others are treated. The estimators are scikit-learn's.

missing         what becomes of a gap
  drop          it stays one: 0 after normalization, and for each column one more says where its gaps are
  median, mean  of the known values
  constant      a number, in the columns' own units
  model         the mean of the nearest items that have a value, by the other columns and the categories
                (Troyanskaya et al. 2001, "Missing value estimation methods for DNA microarrays": KNN imputation)

normalization   none, or to a common scale: standard (mean 0, deviation 1), robust (median 0, interquartile range 1),
                quantile (to the normal distribution, whatever it was)
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler

from dataset.features import FeatureError
from dataset.query import Floats

Table = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

QUANTILES: Final = 1000
"""Landmarks of the quantile normalization, at most; scikit-learn's own default."""


@dataclass(frozen=True)
class Treatment:
    """How numbers are treated; see the module's head."""

    missing: Literal["drop", "median", "mean", "constant", "model"]
    constant: float
    neighbours: int
    """Items that `model` takes the mean of."""
    normalization: Literal["none", "standard", "robust", "quantile"]


def filled(values: Table, beside: Table, fitted: Mask, how: Treatment) -> Table:
    """The columns with their gaps filled, or as they are when gaps are dropped.

    A column of which nothing is known of the items that are learned from has no median, mean or neighbours; its gaps
    become 0.

    Args:
        values: [n, c] NaN where unknown.
        beside: [n, b] what is known of all items and may tell which are alike, 0 or 1 (their categories).
        fitted: [n] which items are learned from.
        how: the treatment.
    """
    if how.missing == "drop" or values.shape[1] == 0:
        return values
    if how.missing == "constant":
        return np.where(np.isnan(values), how.constant, values)
    known = _known(values, fitted)
    found = np.nan_to_num(values)
    if known.any():
        fill = _by_neighbours if how.missing == "model" else _by_one_value
        found[:, known] = fill(values[:, known], beside, fitted, how)
    return found


def dense(values: Table, fitted: Mask, how: Treatment) -> Floats:
    """The columns on a common scale, without gaps: [n, c], or [n, 2 c] when gaps are dropped.

    Args:
        values: [n, c] as `filled` gives them.
        fitted: [n] which items are learned from.
        how: the treatment.

    Raises:
        FeatureError: a number is too large for a model.
    """
    gaps = np.isnan(values)
    told = np.where(gaps, 0.0, _scaled(values, fitted, how))
    if told.size and np.abs(told).max() > np.finfo(np.float32).max:
        raise FeatureError(
            f"numeric item columns must be below {np.finfo(np.float32).max:.1e}. Received: {np.abs(told).max():.1e}. "
            "Set featurize.dense.normalization to standard, robust or quantile"
        )
    return (np.concatenate([told, gaps], axis=1) if how.missing == "drop" else told).astype(np.float32)


def reduced(block: Floats, fitted: Mask, components: int) -> Floats:
    """The block's first principal components, [n, components]; as it is for 0 or when it has no more columns.

    Args:
        block: [n, d]
        fitted: [n] which items are learned from.
        components: at most; fewer items that are learned from make fewer.
    """
    wanted = min(components, int(fitted.sum()))
    if wanted == 0 or wanted >= block.shape[1]:
        return block
    projection = PCA(wanted, svd_solver="full").fit(block[fitted].astype(np.float64))
    found: Floats = projection.transform(block.astype(np.float64)).astype(np.float32)
    return found


def _known(values: Table, fitted: Mask) -> Mask:
    """[c] columns of which something is known of the items that are learned from."""
    return np.asarray(np.isfinite(values[fitted]).any(axis=0))


def _by_one_value(values: Table, _beside: Table, fitted: Mask, how: Treatment) -> Table:
    found: Table = SimpleImputer(strategy=how.missing).fit(values[fitted]).transform(values)
    return found


def _by_neighbours(values: Table, beside: Table, fitted: Mask, how: Treatment) -> Table:
    """Distances are over all columns, so that those with large numbers must not be all that counts."""
    scaler = StandardScaler().fit(values[fitted])
    alike = np.concatenate([scaler.transform(values), beside], axis=1)
    near = KNNImputer(n_neighbors=how.neighbours).fit(alike[fitted]).transform(alike)[:, : values.shape[1]]
    # What is known stays as it is, bit for bit: scaling there and back does not.
    found: Table = np.where(np.isnan(values), scaler.inverse_transform(near), values)
    return found


def _scaled(values: Table, fitted: Mask, how: Treatment) -> Table:
    """On the common scale, gaps still there; 0 for columns of which nothing is known that could give them a scale."""
    if how.normalization == "none":
        return values
    known, found = _known(values, fitted), np.zeros_like(values)
    if known.any():
        found[:, known] = _scaler(how, int(fitted.sum())).fit(values[fitted][:, known]).transform(values[:, known])
    return found


def _scaler(how: Treatment, items: int) -> Any:  # noqa: ANN401  # scikit-learn has no types
    match how.normalization:
        case "standard":
            return StandardScaler()
        case "robust":
            return RobustScaler()
        case _:
            quantiles = min(QUANTILES, items)
            return QuantileTransformer(n_quantiles=quantiles, output_distribution="normal", subsample=None)
