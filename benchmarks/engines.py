"""Libraries that search for the highest inner products, each behind the same few calls, for `benchmarks.index`.

| engine            | file can be mapped and shared | restricted to allowed items inside the library         |
| ----------------- | ----------------------------- | ------------------------------------------------------ |
| podium/nearest    | yes                           | yes, and never fewer than k while there are k          |
| faiss-hnsw-sq8    | yes                           | yes; the graph may end before k: its recall falls      |
| usearch           | yes                           | not from Python                                        |
| hnswlib           | no                            | by a Python function that is called for each item met  |
| voyager           | no                            | no                                                     |

All graphs have 16 links a node (32 on the ground level) and are built with a beam of 64. What a library keeps the
vectors in (32, 16 or 8 bits) is part of its name; it answers with its own scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

import params
from dataset.query import Floats, Longs
from scoring.nearest import Nearest, Settings

LINKS: Final = 16
BEAM: Final = 64
BEAMS: Final = (32, 64, 128, 256, 512)
PROBES: Final = (32, 64, 128, 224, 448)
OURS: Final = "podium/nearest"

if TYPE_CHECKING:
    from usearch.index import Index

Search = Callable[[Floats, int], Longs]
"""[n, d] vectors and k -> [n, k] items, best first."""


@dataclass(frozen=True)
class Engine:
    """One library in one setting."""

    build: Callable[[Floats, Path], None]
    """Makes an index of [items, d] and keeps it under a path."""
    open: Callable[[Path, int], Callable[[int], Search]]
    """A path and d -> effort -> search: opened once, mapped where it can be, for searches of one thread."""
    efforts: Sequence[int]
    """From least to most: beams of a graph, lists that are looked into."""
    library: str = "faiss"

    @property
    def installed(self) -> bool:
        """Whether its library is."""
        return find_spec(self.library) is not None


def _nearest_build(vectors: Floats, path: Path) -> None:
    given = params.load().index
    made = {name: getattr(given, name) for name in Settings.__struct_fields__} | {"exact_up_to": 0}
    Nearest.build(vectors, Settings(**made), seed=1).write(path)


def _nearest_open(path: Path, _: int) -> Callable[[int], Search]:
    kept = Nearest.read(path)

    def search(probes: int) -> Search:
        nearest = replace(kept, settings=msgspec.structs.replace(kept.settings, probes=probes))
        return lambda vectors, k: nearest.search(vectors, k)[0]

    return search


def _faiss_build(vectors: Floats, path: Path) -> None:
    import faiss

    kind, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWSQ(vectors.shape[1], kind, LINKS, metric)
    index.hnsw.efConstruction = BEAM
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(path))


def _faiss_open(path: Path, _: int) -> Callable[[int], Search]:
    import faiss

    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)

    def search(beam: int) -> Search:
        asked = faiss.SearchParametersHNSW(efSearch=beam)
        return lambda vectors, k: index.search(vectors, k, params=asked)[1]

    return search


def _usearch(kind: str) -> Engine:
    def made(d: int) -> "Index":
        from usearch.index import Index

        return Index(ndim=d, metric="ip", dtype=kind, connectivity=LINKS, expansion_add=BEAM)

    def build(vectors: Floats, path: Path) -> None:
        index = made(vectors.shape[1])
        index.add(np.arange(len(vectors)), vectors)
        index.save(str(path))

    def opened(path: Path, d: int) -> Callable[[int], Search]:
        index = made(d)
        index.view(str(path))

        def search(beam: int) -> Search:
            def found(vectors: Floats, k: int) -> Longs:
                index.expansion_search = beam
                return np.atleast_2d(index.search(vectors, k, threads=1).keys).astype(np.int64)

            return found

        return search

    return Engine(build, opened, BEAMS, "usearch")


def _hnswlib_build(vectors: Floats, path: Path) -> None:
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=LINKS, ef_construction=BEAM, random_seed=1)
    index.add_items(vectors)
    index.save_index(str(path))


def _hnswlib_open(path: Path, d: int) -> Callable[[int], Search]:
    import hnswlib

    index = hnswlib.Index("ip", d)
    index.load_index(str(path))

    def search(beam: int) -> Search:
        def found(vectors: Floats, k: int) -> Longs:
            index.set_ef(beam)
            return np.asarray(index.knn_query(vectors, k, num_threads=1)[0]).astype(np.int64)

        return found

    return search


def _voyager_build(vectors: Floats, path: Path) -> None:
    import voyager

    space, kind = voyager.Space.InnerProduct, voyager.StorageDataType.Float8
    index = voyager.Index(space, vectors.shape[1], M=LINKS, ef_construction=BEAM, random_seed=1, storage_data_type=kind)
    index.add_items(vectors)
    index.save(str(path))


def _voyager_open(path: Path, _: int) -> Callable[[int], Search]:
    import voyager

    index = voyager.Index.load(str(path))

    def search(beam: int) -> Search:
        return lambda vectors, k: index.query(vectors, k, num_threads=1, query_ef=beam)[0].astype(np.int64)

    return search


ENGINES: Final[dict[str, Engine]] = {
    OURS: Engine(_nearest_build, _nearest_open, PROBES),
    "peer/faiss-hnsw-sq8": Engine(_faiss_build, _faiss_open, BEAMS),
    "peer/usearch-f16": _usearch("f16"),
    "peer/hnswlib-f32": Engine(_hnswlib_build, _hnswlib_open, BEAMS, "hnswlib"),
    "peer/voyager-float8": Engine(_voyager_build, _voyager_open, BEAMS, "voyager"),
}
