"""Tables in 8 bits: one scale a row."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from dataset.query import Floats
from scoring.forms import Form
from scoring.neighbours import Neighbours

LARGEST_INT8: Final = 127


def quantize_rows(vectors: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Symmetric int8 per row: `vectors ~ table * scales[:, None]`, largest error half a scale.

    Rows of zeros keep scale 1, so that they stay zeros.
    """
    largest = np.abs(vectors).max(axis=1)
    scales = np.where(largest > 0, largest / LARGEST_INT8, 1.0).astype(np.float32)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


def quantized(form: Form) -> Form | None:
    """The form with its table in 8 bits; None when it has no float table to gain by."""
    if isinstance(form, Neighbours) and isinstance(form.weights, np.ndarray) and form.scales is None:
        table, scales = quantize_rows(form.weights)
        return replace(form, weights=table, scales=scales)
    return None
