"""Histories as weights over the catalogue."""

import numpy as np

from models.bags import bag


def test_weights_of_one_item_add_up_and_rows_stay_apart() -> None:
    history = np.array([[3, 1, 3], [1, 0, 0]], np.int32)
    weight = np.array([[0.5, 0.25, 1.0], [2.0, 0.0, 0.0]], np.float32)
    assert bag(history, weight, 4).numpy().tolist() == [[0, 0.25, 0, 1.5], [0, 2.0, 0, 0]]
    assert bag(history[:0], weight[:0], 4).shape == (0, 4)
