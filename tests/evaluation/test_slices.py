import numpy as np
import pytest

from dataset.vocabulary import OOV
from evaluation.slices import head_items, slices
from tests.evaluation.toys import questions


def test_the_head_is_the_most_popular_share_of_the_catalogue() -> None:
    # Item 0 is the most popular of all, but not in the catalogue; 1 and 4 are equal, the lower index goes first.
    counts = np.array([99, 5, 1, 8, 5, 0])
    catalogue = np.array([False, True, True, True, True, True])
    heads = {share: np.flatnonzero(head_items(counts, catalogue, share)).tolist() for share in (0, 0.2, 0.4, 0.5, 0.6)}
    assert heads == {0: [], 0.2: [3], 0.4: [1, 3], 0.5: [1, 3, 4], 0.6: [1, 3, 4]}
    assert head_items(counts, catalogue, 1.0).tolist() == catalogue.tolist()


@pytest.mark.parametrize(("size", "share", "expected"), [(10, 0.2, 2), (11, 0.2, 3), (100, 0.07, 7), (1, 0.2, 1)])
def test_the_head_is_rounded_up_and_not_moved_by_a_hair(size: int, share: float, expected: int) -> None:
    head = head_items(np.arange(size), np.ones(size, np.bool_), share)
    assert np.flatnonzero(head).tolist() == list(range(size - expected, size))


def test_slices_by_hand() -> None:
    catalogue = np.array([False, False, True, True, True, False])
    head = np.array([False, False, True, False, False, False])
    # Targets: head, tail, tail, an item that is new to the catalogue, an unknown one.
    queries = questions([[], [3], [2, 3], [2, 3, 4], []], [2, 4, 4, 5, OOV])
    found = slices(queries, catalogue, head, cold_history=1)
    assert {name: np.flatnonzero(inside).tolist() for name, inside in found.items()} == {
        "cold": [0, 1, 4],
        "warm": [2, 3],
        "head": [0],
        "tail": [1, 2],
        "new": [3, 4],
    }


def test_every_query_is_in_one_slice_of_each_kind() -> None:
    generator = np.random.default_rng(2)
    histories = [[2] * length for length in generator.integers(0, 4, 60)]
    queries = questions(histories, generator.integers(0, 9, 60).tolist())
    catalogue = generator.random(9) < 0.6
    head = head_items(generator.integers(0, 9, 9), catalogue, 0.3)
    found = slices(queries, catalogue, head, cold_history=0)
    for kind in (("cold", "warm"), ("head", "tail", "new")):
        assert (np.sum([found[name] for name in kind], axis=0) == 1).all()
        assert all(found[name].any() for name in kind)
