from pathlib import Path

import numpy as np

from dataset.ratings import Ratings


def ratings(weight: list[float], part: list[int]) -> Ratings:
    size = len(weight)
    rows = np.arange(size, dtype=np.int32)
    return Ratings(rows, rows + 2, np.array(weight, np.float32), np.array(part, np.int8))


def test_what_is_learned_from_and_what_is_predicted(tmp_path: Path) -> None:
    made = ratings([1, 2, 3, 4], [0, 2, 1, 2])
    assert made.fit.weight.tolist() == [1, 3]
    assert (made.test.weight.tolist(), made.test.user.tolist(), made.test.item.tolist()) == ([2, 4], [1, 3], [3, 5])
    made.write(tmp_path / "ratings.npz")
    found = Ratings.read(tmp_path / "ratings.npz")
    assert all(np.array_equal(value, getattr(found, name)) for name, value in vars(made).items())


def test_weights_that_are_all_the_same_tell_nothing() -> None:
    assert len(ratings([1, 1, 1], [0, 1, 2]).told()) == 0
    # That the test has others is nothing that is known before it.
    assert len(ratings([1, 1, 5], [0, 1, 2]).told()) == 0
    assert len(ratings([1, 2, 1], [0, 1, 2]).told()) == 3
    assert len(ratings([], []).told()) == 0
