"""An embedding in 8 bits: how far off it may be, and what it takes."""

import numpy as np

from dataset.query import Floats
from models import retrieval
from models.eight_bits import EightBitEmbedding, with_eight_bits
from scoring.quantize import LARGEST_INT8
from tests.models import small


def table() -> Floats:
    """Rows of very different lengths, one of zeros."""
    rows = np.random.default_rng(5).normal(size=(40, 8)) * np.logspace(-4, 2, 40)[:, None]
    rows[7] = 0
    return rows.astype(np.float32)


def test_a_row_is_off_by_half_a_step_of_its_own() -> None:
    rows, asked = table(), np.array([[3, 7, 39], [0, 3, 3]], np.int32)
    found = np.asarray(EightBitEmbedding(rows)(asked))
    step = np.abs(rows).max(axis=1) / LARGEST_INT8
    assert found.shape == (2, 3, 8)
    assert (np.abs(found - rows[asked]) <= step[asked][..., None] / 2 + 1e-7).all()
    assert not found[0, 1].any()


def test_the_tower_keeps_its_layers_and_says_nearly_the_same() -> None:
    model, asked = retrieval.build(small.SHAPE), small.queries()
    query = with_eight_bits(model.query)
    assert query.get_layer("query_projection") is model.query.get_layer("query_projection")
    assert isinstance(query.get_layer("item_embedding"), EightBitEmbedding)
    before, after = model.query_vectors(asked), model.with_query(query).query_vectors(asked)
    assert 0 < np.abs(before - after).max() < 0.02
