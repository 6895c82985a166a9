"""Ways to keep an embedding: how near they come, and what they leave out."""

import numpy as np
import pytest

from dataset.query import Floats
from models.compression import embeddings
from models.compression.embeddings import Keep
from scoring.tables import Codebook, Factors, Shared

ROWS, WIDTH = 400, 16
RNG = np.random.default_rng(2)
COUNTS = RNG.permutation(ROWS)
"""All different, so that there is one order."""
PLACE = ROWS - 1 - COUNTS
"""Of an item by popularity, the most popular first."""


def table(rank: int = WIDTH) -> Floats:
    """Of a known rank."""
    return (RNG.normal(size=(ROWS, rank)) @ RNG.normal(size=(rank, WIDTH))).astype(np.float32)


def error(keep: Keep, values: Floats) -> float:
    """As a share of the values' size."""
    found = keep(values, COUNTS).wide()
    assert found.shape == values.shape
    assert found.dtype == np.float32
    return float(np.linalg.norm(found - values) / np.linalg.norm(values))


def test_fewer_levels_are_coarser_and_eight_bits_are_close() -> None:
    values = table()
    found = [error(embeddings.levels(bits), values) for bits in (8, 6, 4)]
    assert found == sorted(found)
    assert found[0] < 0.01
    assert found[2] < 0.2


def test_a_table_of_half_the_rank_is_kept_whole() -> None:
    assert error(embeddings.low_rank, table(WIDTH // 2)) < 0.02
    assert error(embeddings.low_rank, table()) > 0.1
    kept = embeddings.low_rank(table(), COUNTS)
    assert isinstance(kept, Factors)
    assert kept.left.values.shape == (ROWS, WIDTH // 2)


def test_product_quantization_finds_what_few_rows_repeat() -> None:
    few = table()[:50]
    values = np.tile(few, (8, 1))
    assert error(embeddings.product, values) < 0.01
    assert error(embeddings.product, table()) < 0.15
    kept = embeddings.product(table(), COUNTS)
    assert isinstance(kept, Codebook)
    assert kept.codes.shape == (ROWS, WIDTH // 2)
    again = embeddings.product(values, COUNTS)
    np.testing.assert_array_equal(again.wide(), embeddings.product(values, COUNTS).wide())


def test_the_popular_keep_all_directions_and_the_rare_half_of_them() -> None:
    values = table()
    found = embeddings.by_popularity(values, COUNTS).wide()
    off = np.linalg.norm(found - values, axis=1) / np.linalg.norm(values, axis=1)
    head, tail = off[ROWS * 0.2 > PLACE], off[ROWS * 0.5 <= PLACE]
    assert head.max() < 0.05
    assert tail.min() > 0.05
    assert head.mean() < off.mean() < tail.mean()


def test_the_popular_have_a_row_of_their_own_and_the_rare_share() -> None:
    values = table()
    kept = embeddings.hashed(values, COUNTS)
    assert isinstance(kept, Shared)
    alone, tail = ROWS * 0.5 > PLACE, ROWS * 0.5 <= PLACE
    assert len(set(kept.row[alone])) == alone.sum()
    assert not set(kept.row[alone]) & set(kept.row[tail])
    assert len(set(kept.row[tail])) <= ROWS // 2 // embeddings.SHARERS
    np.testing.assert_allclose(kept.wide()[alone], values[alone], atol=0.1)
    # A shared row is the mean of those who share it, weighted by how often they were taken.
    shared = kept.row == kept.row[tail][0]
    expected = np.average(values[shared], axis=0, weights=np.maximum(COUNTS[shared], 1))
    np.testing.assert_allclose(kept.wide()[shared][0], expected, atol=0.1)


@pytest.mark.parametrize("keep", [embeddings.low_rank, embeddings.product, embeddings.hashed])
def test_a_tiny_catalogue_is_no_special_case(keep: Keep) -> None:
    values = table()[:3]
    assert keep(values, np.arange(3)).wide().shape == (3, WIDTH)
