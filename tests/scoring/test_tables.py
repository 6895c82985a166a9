"""Tables that are kept narrow: there and back, and what is refused."""

import numpy as np
import pytest

from scoring.forms import FormError
from scoring.tables import KINDS, Codebook, Factors, Kept, Shared, Table

RNG = np.random.default_rng(4)
VALUES = RNG.normal(size=(5, 4)).astype(np.float32)
EIGHT = Table(np.arange(20, dtype=np.int8).reshape(5, 4), np.arange(1, 6, dtype=np.float32))
KEPT: dict[str, Kept] = {
    "float32": Table(VALUES),
    "float16": Table(VALUES.astype(np.float16)),
    "int8": EIGHT,
    "factors": Factors(EIGHT, Table(VALUES[:4])),
    "codebook": Codebook(np.array([[0, 1], [2, 0]], np.uint8), RNG.normal(size=(2, 3, 2)).astype(np.float16)),
    "shared": Shared(EIGHT, np.array([4, 0, 0, 1], np.uint16)),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_table_comes_back(name: str) -> None:
    kept = KEPT[name]
    again = KINDS[kept.KIND].of(kept.arrays("t"), "t")
    np.testing.assert_array_equal(again.wide(), kept.wide())
    assert again.wide().dtype == np.float32


def test_each_by_hand() -> None:
    assert EIGHT.wide()[2].tolist() == [24, 27, 30, 33]
    np.testing.assert_allclose(KEPT["factors"].wide(), EIGHT.wide() @ VALUES[:4], rtol=1e-6)
    book = KEPT["codebook"]
    assert isinstance(book, Codebook)
    assert book.wide()[1].tolist() == [*book.centroids[0, 2], *book.centroids[1, 0]]
    assert KEPT["shared"].wide()[3].tolist() == EIGHT.wide()[1].tolist()


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("int8", {"t-scales": np.ones(4, np.float32)}, "t-scales: shape must be"),
        ("int8", {"t": VALUES}, "t: must have 2 dimensions and kind i"),
        ("float32", {"t": np.full((2, 2), np.nan, np.float32)}, "t: must be finite"),
        ("factors", {"t-right": VALUES[:3]}, "t-right: must have 4 rows"),
        ("codebook", {"t-codes": np.full((2, 2), 3, np.uint8)}, "t-codes: must be below 3"),
        ("codebook", {"t-codes": np.zeros((2, 3), np.uint8)}, "t-centroids: must have 3 parts"),
        ("shared", {"t-row": np.array([5], np.uint16)}, "t-row: must be below 5"),
        ("shared", {"t-row": np.array([-1], np.int16)}, "t-row: must have 1 dimensions and kind u"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name: str, changed: dict[str, np.ndarray], said: str) -> None:
    kept = KEPT[name]
    with pytest.raises(FormError, match=said):
        KINDS[kept.KIND].of(kept.arrays("t") | changed, "t")
