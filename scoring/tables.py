"""Tables of vectors, one a row, each kept in a way of its own and computed with in float32.

Table     every number, in 32 or 16 bits, or in 8 or fewer with a scale for each row
Factors   a product of two such tables, the left one as narrow as the rank
Codebook  for each part of a row, which of 256 learned parts it is (product quantization)
Shared    rows that stand for several items
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from dataset.query import Floats
from scoring.forms import FormError, required

SCALES: Final = "scales"


class Kept(Protocol):
    """Whatever a table can be kept as."""

    KIND: ClassVar[str]

    def wide(self) -> Floats:
        """[rows, d] float32: what is computed with, made once, at load."""
        ...

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept, as `name` and `<name>-<part>`."""
        ...

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> Self:
        """The inverse of `arrays`.

        Raises:
            scoring.forms.FormError: an array is missing, not finite, of a wrong type or shape.
        """
        ...


@dataclass(frozen=True)
class Table:
    """Every number of it."""

    KIND: ClassVar[str] = "rows"

    values: npt.NDArray[Any]
    """[rows, d] float32, float16 or int8."""
    scales: npt.NDArray[Any] | None = None
    """[rows] when the values are int8: row i stands for `values[i] * scales[i]`."""

    def wide(self) -> Floats:
        """[rows, d] float32: numpy's integer product does not call BLAS, so 8 bits are widened."""
        values: Floats = self.values.astype(np.float32)
        return values if self.scales is None else values * self.scales.astype(np.float32)[:, None]

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """`<name>` and, of integers, `<name>-scales`."""
        return {name: self.values} if self.scales is None else {name: self.values, f"{name}-{SCALES}": self.scales}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> "Table":
        """The inverse of `arrays`; raises FormError as all tables do."""
        own = f"{name}-{SCALES}"
        scales = required(arrays, own, ndim=1) if own in arrays else None
        values = required(arrays, name, ndim=2, kinds="f" if scales is None else "i")
        if scales is not None and len(scales) != len(values):
            raise FormError(f"{own}: shape must be {(len(values),)}. Received: {scales.shape}")
        return cls(values, scales)


@dataclass(frozen=True)
class Factors:
    """A table of low rank, or one whose rows are turned so that most of them need few numbers."""

    KIND: ClassVar[str] = "factors"

    left: Table
    """[rows, rank]"""
    right: Table
    """[rank, d]"""

    def wide(self) -> Floats:
        """[rows, d] float32."""
        product: Floats = self.left.wide() @ self.right.wide()
        return product

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """`<name>-left` and `<name>-right`, each a `Table`."""
        return self.left.arrays(f"{name}-left") | self.right.arrays(f"{name}-right")

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> "Factors":
        """The inverse of `arrays`; raises FormError as all tables do."""
        left, right = Table.of(arrays, f"{name}-left"), Table.of(arrays, f"{name}-right")
        if left.values.shape[1] != len(right.values):
            raise FormError(f"{name}-right: must have {left.values.shape[1]} rows. Received: {len(right.values)}")
        return cls(left, right)


@dataclass(frozen=True)
class Codebook:
    """Product quantization: Jegou, Douze and Schmid 2011, "Product quantization for nearest neighbor search"."""

    KIND: ClassVar[str] = "codebook"

    codes: npt.NDArray[np.uint8]
    """[rows, parts]"""
    centroids: npt.NDArray[Any]
    """[parts, 256 or fewer, d / parts] float16."""

    def wide(self) -> Floats:
        """[rows, d] float32."""
        found = self.centroids[np.arange(self.codes.shape[1]), self.codes]
        return found.astype(np.float32).reshape(len(self.codes), -1)

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """`<name>-codes` and `<name>-centroids`."""
        return {f"{name}-codes": self.codes, f"{name}-centroids": self.centroids}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> "Codebook":
        """The inverse of `arrays`; raises FormError as all tables do."""
        codes = required(arrays, f"{name}-codes", ndim=2, kinds="u")
        centroids = required(arrays, f"{name}-centroids", ndim=3)
        if codes.shape[1] != len(centroids):
            raise FormError(f"{name}-centroids: must have {codes.shape[1]} parts. Received: {len(centroids)}")
        if codes.size and int(codes.max()) >= centroids.shape[1]:
            raise FormError(f"{name}-codes: must be below {centroids.shape[1]}. Received: {int(codes.max())}")
        return cls(codes, centroids)


@dataclass(frozen=True)
class Shared:
    """Fewer rows than items, some of which share one: hashing, for those that are rarely taken."""

    KIND: ClassVar[str] = "shared"

    table: Table
    """[rows, d]"""
    row: npt.NDArray[Any]
    """[items] unsigned: which row stands for an item."""

    def wide(self) -> Floats:
        """[items, d] float32."""
        found: Floats = self.table.wide()[self.row]
        return found

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """`<name>-row`, and `<name>` as of a `Table`."""
        return self.table.arrays(name) | {f"{name}-row": self.row}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], name: str) -> "Shared":
        """The inverse of `arrays`; raises FormError as all tables do."""
        table, row = Table.of(arrays, name), required(arrays, f"{name}-row", ndim=1, kinds="u")
        if row.size and int(row.max()) >= len(table.values):
            raise FormError(f"{name}-row: must be below {len(table.values)}. Received: {int(row.max())}")
        return cls(table, row)


KINDS: Final[dict[str, type[Kept]]] = {kind.KIND: kind for kind in (Table, Factors, Codebook, Shared)}
"""By the name that a form's settings give them."""


def columns(vectors: Floats) -> Floats:
    """[d, rows] the same, each dimension's numbers side by side.

    A product of a few queries with a table whose rows are side by side takes several times as long: BLAS turns the
    whole table around for each of them.
    """
    return np.ascontiguousarray(vectors.T)
