from dataclasses import replace

import numpy as np
import pytest

from evaluation.content import Content, ContentError

CONTENT = Content(
    categories=np.array([[0, 0], [0, 0], [2, 3], [3, 0]], np.int32),
    category_names=("<padding>", "<oov>", "Drama", "Comedy"),
    first_seen=np.zeros(4, np.int64),
    recent=np.zeros(4, np.int64),
)


def test_items_are_told_by_their_categories_unless_there_are_vectors() -> None:
    half = np.sqrt(0.5)
    towards = CONTENT.directions.toarray()  # type: ignore[union-attr]
    assert towards.ravel().tolist() == pytest.approx([0] * 8 + [0, 0, half, half, 0, 0, 0, 1])
    vectors = np.array([[0, 0], [0, 0], [3, 4], [0, 2]], np.float32)
    given = replace(CONTENT, vectors=vectors)
    assert np.asarray(given.directions).tolist() == [[0, 0], [0, 0], [0.6, 0.8], [0, 1]]
    # Calibration is about categories either way.
    assert (given.weights != CONTENT.weights).nnz == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first_seen": np.zeros(3, np.int64)}, "first_seen must tell of the 4 items of categories. Received: 3"),
        ({"recent": np.zeros(5, np.int64)}, "recent must tell of the 4 items"),
        ({"vectors": np.zeros((2, 8))}, "vectors must tell of the 4 items"),
        ({"vectors": np.full((4, 1), np.nan)}, "vectors must be finite"),
        ({"category_names": ("<padding>", "<oov>", "Drama")}, "up to 3. Received: 3 names"),
    ],
)
def test_content_that_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ContentError, match=message):
        replace(CONTENT, **change)  # type: ignore[arg-type]


def test_nothing_is_known_of_no_items() -> None:
    nothing = np.zeros(0, np.int64)
    empty = Content(np.zeros((0, 1), np.int32), ("<padding>", "<oov>"), nothing, nothing)
    assert empty.weights.shape[0] == 0
