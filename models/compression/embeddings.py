"""Ways to keep an embedding in fewer bytes; what each comes to is in `scoring.tables`.

levels            every number, on few levels, one scale a row
low_rank          the best approximation of that rank (Eckart and Young 1936), both factors in 8 bits
product           product quantization, k-means by faiss
by_popularity     turned to its principal directions; the rarer an item, the fewer of them it keeps (mixed dimensions,
                  Ginart et al. 2019, arXiv 1909.11810)
hashed            the rarest items share rows (the hashing trick, Weinberger et al. 2009, arXiv 0902.2206)
"""

from collections.abc import Callable
from typing import Final

import faiss
import numpy as np
import numpy.typing as npt

from dataset.query import Floats
from scoring.quantize import quantize_rows
from scoring.tables import Codebook, Factors, Kept, Shared, Table

Counts = npt.NDArray[np.integer]
Keep = Callable[[Floats, Counts], Kept]
"""From an embedding [items, d] and how often each item was taken [items]."""

RANK_SHARE: Final = 0.5
"""Of the width."""
DIRECTIONS: Final = 2
"""Numbers of a row that one code of the product quantization stands for."""
CENTROIDS: Final = 256
TIERS: Final = ((0.2, 1.0), (0.5, 0.75), (1.0, 0.5))
"""Up to which share of the items, the most popular first, and the share of the directions that these keep."""
TAIL_SHARE: Final = 0.5
"""Of the items, the rarest ones, that share rows."""
SHARERS: Final = 4
"""Items of the tail to one row, on average."""


def levels(bits: int) -> Keep:
    """Every number on 2^bits - 1 levels of its row's own scale."""
    return lambda embedding, _: _table(embedding, bits)


def low_rank(embedding: Floats, _: Counts) -> Kept:
    """Half the width."""
    left, right = _turned(embedding)
    rank = max(round(RANK_SHARE * embedding.shape[1]), 1)
    return Factors(_table(left[:, :rank], 8), _table(right[:rank], 8))


def product(embedding: Floats, _: Counts) -> Kept:
    """One byte for two numbers."""
    rows, width = embedding.shape
    parts = width // DIRECTIONS
    bits = min(int(np.log2(CENTROIDS)), int(np.log2(rows)))
    quantizer = faiss.ProductQuantizer(width, parts, bits)
    # It warns of few rows to learn from, which is what small catalogues have.
    quantizer.cp.min_points_per_centroid = 1
    quantizer.train(np.ascontiguousarray(embedding))
    centroids = faiss.vector_to_array(quantizer.centroids).reshape(parts, 2**bits, DIRECTIONS)
    distance = (embedding.reshape(rows, parts, 1, DIRECTIONS) - centroids[None]) ** 2
    return Codebook(distance.sum(axis=-1).argmin(axis=-1).astype(np.uint8), centroids.astype(np.float16))


def by_popularity(embedding: Floats, counts: Counts) -> Kept:
    """All directions for the head, half of them for the tail; the zeros of the others gzip to nothing."""
    left, right = _turned(embedding)
    place = np.empty(len(counts), np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    width, start = embedding.shape[1], 0.0
    for end, share in TIERS:
        tier = (place >= start * len(counts)) & (place < end * len(counts))
        left[tier, max(round(share * width), 1) :] = 0
        start = end
    return Factors(_table(left, 8), _table(right, 8))


def hashed(embedding: Floats, counts: Counts) -> Kept:
    """The rarer half shares rows, each the mean of its items, weighted by how often they were taken."""
    order = np.argsort(-counts, kind="stable")
    alone = len(order) - int(TAIL_SHARE * len(order))
    buckets = max((len(order) - alone) // SHARERS, 1)
    row = np.empty(len(order), np.int64)
    row[order[:alone]] = np.arange(alone)
    # A multiplicative hash (Knuth): items that come one after the other do not meet.
    row[order[alone:]] = alone + (order[alone:] * 2_654_435_761 % 2**32) % buckets
    weight = np.maximum(counts, 1).astype(np.float64)
    total = np.zeros((alone + buckets, embedding.shape[1]))
    np.add.at(total, row, embedding * weight[:, None])
    share = np.bincount(row, weights=weight, minlength=alone + buckets)
    table = (total / np.maximum(share, 1)[:, None]).astype(np.float32)
    return Shared(_table(table, 8), row.astype(np.uint16 if len(table) <= 2**16 else np.uint32))


def _table(values: Floats, bits: int) -> Table:
    narrow, scales = quantize_rows(values, bits)
    return Table(narrow, scales)


def _turned(embedding: Floats) -> tuple[Floats, Floats]:
    """[rows, d] and [d, d] whose product it is, the directions of most variance first."""
    left, size, right = np.linalg.svd(embedding.astype(np.float64), full_matrices=False)
    return (left * size).astype(np.float32), right.astype(np.float32)
