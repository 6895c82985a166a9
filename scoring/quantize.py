"""Tables in 8 bits or fewer: one scale a row."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dataset.query import Floats
from scoring.autoencoder import Autoencoder
from scoring.folded import Folded
from scoring.forms import Form
from scoring.neighbours import Neighbours
from scoring.pooled import Pooled
from scoring.tables import Table


def quantize_rows(vectors: Floats, bits: int = 8) -> tuple[npt.NDArray[np.int8], Floats]:
    """Symmetric whole numbers per row: `vectors ~ table * scales[:, None]`, largest error half a scale.

    Rows of zeros keep scale 1, so that they stay zeros.

    Args:
        vectors: [rows, d]
        bits: 2 to 8: the numbers are at most 2^(bits-1) - 1, in 8 bits all the same.
    """
    largest = np.abs(vectors).max(axis=1)
    scales = np.where(largest > 0, largest / (2 ** (bits - 1) - 1), 1.0).astype(np.float32)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


def quantized(form: Form) -> Form | None:
    """The form with its tables in 8 bits; None when it has no dense float table to gain by."""
    match form:
        case Neighbours(weights=np.ndarray() as weights, scales=None):
            table, scales = quantize_rows(weights)
            return replace(form, weights=table, scales=scales)
        case Folded(factors=Table(scales=None) as factors):
            return replace(form, factors=_narrow(factors))
        case Pooled(vectors=Table(scales=None) as vectors, read=read):
            return replace(form, vectors=_narrow(vectors), read=None if read is None else _narrow(read))
        case Autoencoder(read=Table(scales=None) as read, vectors=vectors):
            return replace(form, read=_narrow(read), vectors=_narrow(vectors))
        case _:
            return None


def _narrow(table: Table) -> Table:
    return Table(*quantize_rows(table.values))
