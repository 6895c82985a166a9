"""A form: how a query becomes scores. What is fitted, examined and served is the same object.

Forms hold arrays and scalars alone, so that a version is a folder of plain files (`scoring.folder`) and nothing in it
can run code when it is read.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dataset.query import Floats, Queries


class FormError(ValueError):
    """Arrays or settings do not make a form; the message names the array and the rule."""


class Form(Protocol):
    """Whatever scores queries."""

    KIND: ClassVar[str]
    """Its name in a manifest."""

    def scores(self, queries: Queries) -> Floats:
        """[n, items] finite, higher is better; the same rows however the queries are chunked."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept: no objects, so no pickle."""
        ...

    def settings(self) -> dict[str, Any]:
        """Scalars that have to be kept, as JSON knows them."""
        ...

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `settings`.

        Raises:
            FormError: something is missing or does not fit.
        """
        ...


def required(arrays: Mapping[str, npt.NDArray[Any]], name: str, *, ndim: int, kinds: str = "f") -> npt.NDArray[Any]:
    """An array that must be there, finite, of that many dimensions, its dtype's kind one of `kinds` (numpy's letters).

    Raises:
        FormError: it is not.
    """
    if name not in arrays:
        raise FormError(f"{name}: is missing; there are {sorted(arrays)}")
    found = arrays[name]
    if found.ndim != ndim or found.dtype.kind not in kinds:
        raise FormError(f"{name}: must have {ndim} dimensions and kind {kinds}. Received: {found.dtype} {found.shape}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise FormError(f"{name}: must be finite")
    return found


def half_life_kept(half_life: float) -> float | None:
    """A half-life as settings keep it: JSON has no infinity, so no fading is null."""
    return half_life if np.isfinite(half_life) else None


def half_life_read(kept: float | None) -> float:
    """The inverse of `half_life_kept`."""
    return np.inf if kept is None else float(kept)


def faded(queries: Queries, *, half_life: float, longest: int, items: int, distinct: bool = False) -> sparse.csr_array:
    """[n, items] how much each item of a history weighs: .5^(age / half_life), the newest item having age 0.

    Args:
        queries: n queries.
        half_life: in positions; infinite weighs all alike.
        longest: positions that are read.
        items: columns.
        distinct: an item taken several times counts once, with its newest age; otherwise its weights add up.
    """
    history = queries.history(longest)
    row, age = np.nonzero(history)
    weight = 0.5 ** (age / half_life)
    column = history[row, age]
    if distinct:
        # The first of equals along a row is the newest.
        _, first = np.unique(row.astype(np.int64) * items + column, return_index=True)
        row, column, weight = row[first], column[first], weight[first]
    faded = sparse.coo_array((weight.astype(np.float32), (row, column)), (len(queries), items)).tocsr()
    faded.sum_duplicates()
    return faded


def csr_arrays(name: str, matrix: sparse.csr_array) -> dict[str, npt.NDArray[Any]]:
    """A sparse matrix as plain arrays: `<name>-data`, `-indices`, `-indptr`, `-shape`."""
    return {
        f"{name}-data": matrix.data,
        f"{name}-indices": matrix.indices.astype(np.int32),
        f"{name}-indptr": matrix.indptr.astype(np.int64),
        f"{name}-shape": np.array(matrix.shape, np.int64),
    }


def csr(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> sparse.csr_array:
    """The inverse of `csr_arrays`.

    Raises:
        FormError: an array is missing, or they do not make a matrix.
    """
    data = required(arrays, f"{name}-data", ndim=1)
    indices = required(arrays, f"{name}-indices", ndim=1, kinds="i")
    indptr = required(arrays, f"{name}-indptr", ndim=1, kinds="i")
    shape = required(arrays, f"{name}-shape", ndim=1, kinds="i")
    try:
        matrix = sparse.csr_array((data, indices, indptr), shape=tuple(int(side) for side in shape))
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise FormError(f"{name}: is no sparse matrix: {error}") from error
    return matrix
