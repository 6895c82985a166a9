import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dataset.features import NEVER
from dataset.query import DAY_SECONDS
from dataset.vocabulary import OOV
from evaluation.slices import (
    buckets,
    by_age,
    by_category,
    by_group,
    by_history,
    by_popularity,
    head_items,
    slices,
)
from tests.evaluation.toys import questions


def inside(found: dict[str, npt.NDArray[np.bool_]]) -> dict[str, list[int]]:
    return {name: np.flatnonzero(rows).tolist() for name, rows in found.items() if rows.any()}


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


def test_buckets_by_hand() -> None:
    found = buckets("kind", np.array([-1, 0, 1, 4, 5, 99]), (0, 1, 5))
    assert list(found) == ["kind:0", "kind:1-4", "kind:5+"]
    assert inside(found) == {"kind:0": [1], "kind:1-4": [2, 3], "kind:5+": [4, 5]}


@given(values=arrays(np.int64, st.integers(0, 30), elements=st.integers(0, 2000)))
def test_every_query_is_in_one_bucket_of_each_kind(values: npt.NDArray[np.int64]) -> None:
    for found in (by_history(values), by_popularity(values), by_age(values * DAY_SECONDS, np.zeros(len(values), int))):
        assert (np.sum(list(found.values()), axis=0) == 1).all()


def test_age_is_days_since_anybody_took_the_item() -> None:
    times = np.full(7, 1000 * DAY_SECONDS)
    ages = np.array([0, 6.99, 7, 89.9, 365, -0.1]) * DAY_SECONDS
    first = np.concatenate([times[:6] - ages.astype(np.int64), [NEVER]])
    expected = {"age:0-6": [0, 1], "age:7-29": [2], "age:30-89": [3], "age:365+": [4]}
    # Taken first after the query, or never: of no age.
    assert inside(by_age(times, first)) == expected


def test_the_largest_categories_of_the_targets() -> None:
    categories = np.array([[2, 3], [3, 0], [4, 0], [2, 4], [0, 0], [1, 0], [5, 0]], np.int32)
    names = ("<padding>", "<oov>", "two", "three", "four", "five", "nobody")
    assert inside(by_category(categories, names, most=3)) == {
        "category:two": [0, 3],
        "category:three": [0, 1],
        "category:four": [2, 3],
    }
    assert list(by_category(categories, names, most=9)) == [
        f"category:{name}" for name in ("two", "three", "four", "five")
    ]
    assert by_category(categories[:0], names, most=3) == {}


def test_the_largest_groups_of_users() -> None:
    labels = {"town": np.array(["b", "a", "", "c", "c", "", "a", "b", "c", "d", "never asked"])}
    users = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    expected = {"group:town=c": [3, 4, 8], "group:town=a": [1, 6], "group:town=b": [0, 7, 10]}
    assert inside(by_group(labels, users, most=3, min_users=1)) == expected
    assert list(by_group(labels, users, most=9, min_users=1)) == [f"group:town={name}" for name in "cabd"]
    assert by_group({"town": np.array(["", ""])}, np.array([0, 1]), most=3, min_users=1) == {}
    assert by_group(labels, users[:0], most=3, min_users=1) == {}


def test_a_group_is_as_large_as_its_users_not_its_queries() -> None:
    labels = {"town": np.array(["a", "b", "b"]), "age": np.array(["1", "1", "2"])}
    users = np.array([0, 0, 0, 0, 1, 2])
    found = by_group(labels, users, most=3, min_users=2)
    assert inside(found) == {"group:town=b": [4, 5], "group:age=1": [0, 1, 2, 3, 4]}
