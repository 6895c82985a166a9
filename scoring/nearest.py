"""The items with the highest inner products, found without looking at all of them, in a file that workers share.

Items are put into lists around centres (k-means); a query is compared with the items of the lists whose centres it is
nearest to, in 8 bits, and the best few of those once more with the table that is kept beside them, whose products are
the scores. Sivic and Zisserman 2003, "Video Google" (ICCV), inverted lists of vectors; faiss makes and reads them.

Both files are memory-mapped: whoever serves the same folder on one machine holds it in memory once.
"""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import faiss
import msgspec
import numpy as np
import numpy.typing as npt

import durable
from dataset.query import Floats, Ints, Longs
from highest import LOWEST, NOTHING, highest
from scoring.forms import FormError

LISTS: Final = "lists.faiss"
TABLE: Final = "table.npy"
HEAD: Final = "nearest.json"
FILES: Final = (LISTS, TABLE, HEAD)
ROWS: Final = 64
"""Queries that are answered at a time; bounds the memory of the exact product."""
WIDER: Final = 4
"""How many times more lists are looked into when those before did not hold enough."""
ITERATIONS: Final = 10
"""Of k-means."""

Mask = npt.NDArray[np.bool_]
Seen = tuple[Longs, Ints]
"""(row, item) pairs, as `dataset.query.Queries.seen` gives them."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an index is made and searched."""

    exact_up_to: int
    """So many items are multiplied with the query one and all: of the catalogue, or of what is allowed of it."""
    lists: float
    """Number of lists, over the square root of the number of items."""
    probes: int
    """Lists that are looked into for a query when everything is allowed; where less is, more in proportion."""
    candidates: int
    """Items that are scored with the table, over what is asked for."""
    sample: int
    """Items a list, that its centre is learned from."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """nearest.json: what the other two files have to fit to."""

    items: int
    dimensions: int
    settings: Settings


@dataclass(frozen=True)
class Nearest:
    """An index over the item vectors of a form that scores by inner products. Safe to call from several threads.

    `build(vectors, settings, seed=...)` makes one, `write(folder)` keeps it, `Nearest.read(folder)` opens what was
    kept without loading it, `search(query_vectors, k, allowed=..., seen=...)` answers. Query vectors are those of the
    same form (`scoring.tower.Tower.query_vectors`, `scoring.tied.Tied.query_vectors`).
    """

    settings: Settings
    table: npt.NDArray[np.float16]
    """[items, d] what scores are products with."""
    _lists: faiss.IndexIVFScalarQuantizer
    """The same items, in 8 bits, in lists."""

    @classmethod
    def build(cls, vectors: Floats, settings: Settings, *, seed: int) -> "Nearest":
        """Learns the lists; the same arguments give the same files.

        Args:
            vectors: [items, d] finite, at most 65504, the largest number of 16 bits.
            settings: of making it and of searching.
            seed: of k-means.

        Raises:
            FormError: the vectors are none, or do not fit into 16 bits.
        """
        table = _narrow(vectors)
        items, d = vectors.shape
        number = min(max(round(settings.lists * math.sqrt(items)), 1), items)
        centres = faiss.IndexFlatIP(d)
        lists = faiss.IndexIVFScalarQuantizer(
            centres, d, number, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False
        )
        lists.cp.seed, lists.cp.niter, lists.cp.spherical = seed, ITERATIONS, True
        lists.cp.min_points_per_centroid, lists.cp.max_points_per_centroid = 1, settings.sample
        wide = np.ascontiguousarray(vectors, np.float32)
        lists.train(wide)
        lists.add(wide)
        return cls(settings, table, lists)

    def __len__(self) -> int:
        """Items."""
        return len(self.table)

    def write(self, folder: Path) -> None:
        """Writes `FILES` into a folder."""
        items, d = self.table.shape
        durable.write_bytes(folder / LISTS, faiss.serialize_index(self._lists).tobytes())
        packed = io.BytesIO()
        np.save(packed, self.table, allow_pickle=False)
        durable.write_bytes(folder / TABLE, packed.getvalue())
        durable.write_json(folder / HEAD, Head(items=items, dimensions=d, settings=self.settings))

    @classmethod
    def read(cls, folder: Path) -> "Nearest":
        """Maps what `write` wrote into memory, read-only: pages are loaded when they are asked for, and shared.

        Raises:
            FormError: a file is missing, unreadable, or does not fit the others.
        """
        head = _read_head(folder / HEAD)
        try:
            table = np.load(folder / TABLE, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise FormError(f"{folder / TABLE}: cannot be read: {error}") from error
        if table.shape != (head.items, head.dimensions) or table.dtype != np.float16:
            expected = f"float16 {(head.items, head.dimensions)}"
            raise FormError(f"{folder / TABLE}: must be {expected}. Received: {table.dtype} {table.shape}")
        # Indexing a memmap makes memmaps, which takes longer than a small search.
        return cls(head.settings, table.view(np.ndarray), _read_lists(folder / LISTS, head))

    def search(
        self, vectors: Floats, k: int, allowed: Mask | None = None, seen: Seen | None = None
    ) -> tuple[Longs, Floats]:
        """The k items with the highest inner products; k of them whenever so many are allowed and not seen.

        Lists are looked into until they have held enough, in the end all of them; of few allowed items every one is
        multiplied. Which of equally good items is left out at the end of the lists is the index's choice.

        Args:
            vectors: [n, d] of the queries.
            k: how many.
            allowed: [items] what may be found, for all n alike; everything when None.
            seen: what may not be found, for each query: rows [m] of `vectors` and items [m].

        Returns:
            items [n, k], best first, the lower index first among equals, -1 where there are no more;
            scores [n, k], the products with `table`, -inf where there are no more.

        Raises:
            ValueError: a shape does not fit.
        """
        self._check(vectors, k, allowed)
        found = np.full((len(vectors), k), NOTHING, np.int64), np.full((len(vectors), k), LOWEST, np.float32)
        number = len(self) if allowed is None else int(np.count_nonzero(allowed))
        few = number <= self.settings.exact_up_to
        kept = np.flatnonzero(allowed) if few and allowed is not None else np.arange(len(self) if few else 0)
        selector = None if few or allowed is None else _selector(allowed)
        table = self.table[kept].astype(np.float32)
        for start in range(0, len(vectors), ROWS):
            rows = slice(start, start + ROWS)
            asked, taken = vectors[rows], _of(seen, start, min(start + ROWS, len(vectors)))
            if few:
                found[0][rows], found[1][rows] = _exact(asked, table, kept, k, taken)
            else:
                probes = math.ceil(self.settings.probes * len(self) / number)
                found[0][rows], found[1][rows] = self._approximate(asked, k, selector, taken, number, probes)
        return found

    def _check(self, vectors: Floats, k: int, allowed: Mask | None) -> None:
        items, d = self.table.shape
        if vectors.ndim != 2 or vectors.shape[1] != d or k < 1:
            raise ValueError(f"vectors must be [n, {d}] and k at least 1. Received: {vectors.shape}, {k}")
        if allowed is not None and (allowed.shape != (items,) or allowed.dtype != np.bool_):
            raise ValueError(f"allowed must be bool {(items,)}. Received: {allowed.dtype} {allowed.shape}")

    def _approximate(
        self, vectors: Floats, k: int, selector: faiss.IDSelectorBitmap | None, seen: Seen, number: int, probes: int
    ) -> tuple[Longs, Floats]:
        """One block of `search`; rows whose lists did not hold enough are asked again, with more lists."""
        most = int(np.bincount(seen[0], minlength=1).max())
        fetched = min(self.settings.candidates * k + most, number)
        asked = faiss.SearchParametersIVF(sel=selector, nprobe=min(probes, self._lists.nlist))
        _, found = self._lists.search(np.ascontiguousarray(vectors, np.float32), fetched, params=asked)
        items, scores = self._scored(vectors, found, seen, k)
        if probes < self._lists.nlist and len(short := np.flatnonzero(found[:, -1] == NOTHING)):
            again, wider = of_rows(seen, short, len(vectors)), probes * WIDER
            items[short], scores[short] = self._approximate(vectors[short], k, selector, again, number, wider)
        return items, scores

    def _scored(self, vectors: Floats, items: Longs, seen: Seen, k: int) -> tuple[Longs, Floats]:
        """The best k of the candidates [n, c], scored with the table."""
        rows = self.table[np.maximum(items, 0)].astype(np.float32)
        scores = np.matmul(rows, vectors[:, :, None])[:, :, 0]
        scores[items == NOTHING] = LOWEST
        if len(seen[0]):
            pairs = np.arange(len(items))[:, None] * len(self) + items
            scores[np.isin(pairs, seen[0] * len(self) + seen[1])] = LOWEST
        order = np.argsort(items, axis=1)
        items, scores = np.take_along_axis(items, order, axis=1), np.take_along_axis(scores, order, axis=1)
        return highest(scores, k, items)


def _narrow(vectors: Floats) -> npt.NDArray[np.float16]:
    if vectors.ndim != 2 or not vectors.size:
        raise FormError(f"item vectors: must be [items, d], at least one. Received: {vectors.shape}")
    largest = float(np.abs(vectors).max())
    limit = float(np.finfo(np.float16).max)
    if not largest <= limit:  # also refuses what is no number
        raise FormError(
            f"item vectors: must be finite and at most {limit:g}, to be kept in 16 bits. Received: {largest}"
        )
    return np.ascontiguousarray(vectors).astype(np.float16)


def _read_head(path: Path) -> Head:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Head)
    except (OSError, msgspec.DecodeError) as error:
        raise FormError(f"{path}: cannot be read: {error}") from error


def _read_lists(path: Path, head: Head) -> faiss.IndexIVFScalarQuantizer:
    try:
        lists = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:  # faiss knows no other
        raise FormError(f"{path}: cannot be read: {error}") from error
    if not isinstance(lists, faiss.IndexIVFScalarQuantizer) or (lists.ntotal, lists.d) != (head.items, head.dimensions):
        expected = f"{head.items} items of {head.dimensions} dimensions in lists of 8 bits"
        raise FormError(f"{path}: must hold {expected}. Received: {type(lists).__name__}, {lists.ntotal}, {lists.d}")
    return lists


def _selector(allowed: Mask) -> faiss.IDSelectorBitmap:
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _exact(vectors: Floats, table: Floats, kept: Longs, k: int, seen: Seen) -> tuple[Longs, Floats]:
    """Of the products with `table`, which holds the items `kept` in ascending order."""
    scores: Floats = np.asarray(vectors, np.float32) @ table.T
    if len(kept):
        place = np.minimum(np.searchsorted(kept, seen[1]), len(kept) - 1)
        there = kept[place] == seen[1]
        scores[seen[0][there], place[there]] = LOWEST
    return highest(scores, k, kept)


def _of(seen: Seen | None, start: int, stop: int) -> Seen:
    """The pairs of the rows from start to stop, counted from start."""
    if seen is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    within = (seen[0] >= start) & (seen[0] < stop)
    return seen[0][within] - start, seen[1][within]


def of_rows(seen: Seen, rows: Longs, number: int) -> Seen:
    """The pairs of some of `number` rows, counted among them."""
    place = np.full(number, NOTHING, np.int64)
    place[rows] = np.arange(len(rows))
    within = place[seen[0]] != NOTHING
    return place[seen[0][within]], seen[1][within]
