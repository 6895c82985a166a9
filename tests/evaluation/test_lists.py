from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.query import Ints
from evaluation import lists


def test_novelty_is_the_mean_information_of_the_listed_items() -> None:
    # 12 interactions and 4 items: probabilities (count + 1) / 16 are 1/2, 1/4, 1/8 and 1/8, so 1, 2, 3 and 3 bits.
    counts = np.array([7, 3, 1, 1])
    shown = np.array([[0, 1, 2], [2, 3, -1], [-1, -1, -1]], np.int32)
    values = lists.popularity(shown, counts, np.array([True, False, False, False]), [2, 3])
    assert values["novelty_at_2"].tolist() == pytest.approx([1.5, 3, 0])
    assert values["novelty_at_3"].tolist() == pytest.approx([2, 3, 0])


def test_popularity_share_is_the_heads_part_of_each_list() -> None:
    # The last item is of the head: a filler of -1 must not be taken for it.
    head = np.array([False, True, False, True])
    shown = np.array([[1, 3, 0], [1, 0, -1], [2, -1, -1], [-1, -1, -1]], np.int32)
    values = lists.popularity(shown, np.ones(4, np.int64), head, [1, 3])
    assert values["popularity_share_at_1"].tolist() == [1, 1, 0, 0]
    assert values["popularity_share_at_3"].tolist() == pytest.approx([2 / 3, 1 / 2, 0, 0])


def test_diversity_by_hand() -> None:
    # Item 0 tells nothing; 1 and 2 point the same way, 3 across, 4 back, 5 between 1 and 3.
    vectors = np.array([[0, 0], [1, 0], [5, 0], [0, 2], [-3, 0], [1, 1]], np.float32)
    shown = np.array([[1, 2, -1], [1, 3, 2], [1, 4, -1], [1, 5, 3], [1, 0, 3], [1, 0, -1], [-1, -1, -1]], np.int32)
    values = lists.diversity(shown, lists.directions(vectors), [2, 3])
    half = np.sqrt(0.5)
    assert values["diversity_at_2"].tolist() == pytest.approx([0, 1, 2, 1 - half, np.nan, np.nan, np.nan], nan_ok=True)
    expected = [0, 2 / 3, 2, 1 - 2 * half / 3, 1, np.nan, np.nan]
    assert values["diversity_at_3"].tolist() == pytest.approx(expected, nan_ok=True)


def test_categories_are_compared_as_sets() -> None:
    # Cosine of two sets: common / sqrt(sizes). {2, 3}, {3}, {4}, {2, 3, 4}, {} and OOV alone.
    categories = np.array([[2, 3, 0], [3, 0, 0], [4, 0, 0], [2, 3, 4], [0, 0, 0], [1, 0, 0]], np.int32)
    towards = lists.category_directions(categories)
    shown = np.array([[0, 1], [0, 2], [0, 3], [1, 1], [0, 4], [0, 5]], np.int32)
    expected = [1 - np.sqrt(1 / 2), 1, 1 - 2 / np.sqrt(6), 0, np.nan, np.nan]
    assert lists.diversity(shown, towards, [2])["diversity_at_2"].tolist() == pytest.approx(expected, nan_ok=True)


def pairwise(row: Ints, vectors: npt.NDArray[np.float32]) -> float:
    """The definition, pair by pair."""
    told = [vectors[item].astype(np.float64) for item in row if item >= 0 and vectors[item].any()]
    cosines = [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in combinations(told, 2)]
    return 1 - float(np.mean(cosines)) if cosines else np.nan


def random_lists(generator: np.random.Generator, count: int, items: int, length: int) -> Ints:
    """Distinct items in a row, some rows shorter."""
    shown = np.array([generator.permutation(items)[:length] for _ in range(count)], np.int32)
    shown[np.arange(length) >= generator.integers(0, length + 1, count)[:, None]] = -1
    return shown


@given(seed=st.integers(0, 500))
def test_diversity_agrees_with_its_definition_and_no_pair_is_forgotten(seed: int) -> None:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(12, 3)).astype(np.float32)
    vectors[generator.random(12) < 0.2] = 0
    shown = random_lists(generator, 6, 12, 5)
    found = lists.diversity(shown, lists.directions(vectors), [5])["diversity_at_5"]
    assert found.tolist() == pytest.approx([pairwise(row, vectors) for row in shown], nan_ok=True, abs=1e-9)
    assert ((found >= 0) & (found <= 2 + 1e-9) | np.isnan(found)).all()
    # In which order a list stands, and how long the vectors are, is nothing to its diversity.
    mixed = lists.diversity(shown[:, ::-1], lists.directions(vectors * 8), [5])["diversity_at_5"]
    assert mixed.tolist() == pytest.approx(found.tolist(), nan_ok=True, abs=1e-9)


def test_many_equal_items_are_not_diverse_by_a_hair() -> None:
    vectors = np.full((100, 7), 0.1, np.float32)
    found = lists.diversity(np.arange(100, dtype=np.int32)[None], lists.directions(vectors), [100])["diversity_at_100"]
    assert 0 <= found[0] < 1e-12


def test_serendipity_by_hand() -> None:
    rank = np.array([1, 1, 3, 0, 2])
    target = np.array([5, 6, 5, 5, 9], np.int32)
    obvious = np.array([[7, 5, 8], [7, 5, 8], [7, 8, 5], [7, 8, 4], [7, -1, -1]], np.int32)
    values = lists.serendipity(rank, target, obvious, [1, 2, 3])
    # The first target is the second obvious item: unexpected in a list of one only.
    assert values["serendipity_at_1"].tolist() == [1, 1, 0, 0, 0]
    assert values["serendipity_at_2"].tolist() == [0, 1 / 2, 0, 0, 1 / 2]
    assert values["serendipity_at_3"].tolist() == [0, 1 / 3, 0, 0, 1 / 3]


def test_what_is_obvious_has_no_serendipity_and_precision_bounds_it() -> None:
    generator = np.random.default_rng(3)
    obvious = random_lists(generator, 200, 20, 5)
    target = generator.integers(0, 20, 200).astype(np.int32)
    place = (obvious == target[:, None]) @ np.arange(1, 6)
    assert (place > 0).any()
    own = lists.serendipity(place, target, obvious, [3, 5])
    assert not any(value.any() for value in own.values())
    other = lists.serendipity(np.ones(200, np.int64), target, obvious, [5])["serendipity_at_5"]
    assert 0 < other.sum() < 200 / 5
    assert other.tolist() == np.where(place > 0, 0, 1 / 5).tolist()


def test_overlap_by_hand() -> None:
    ours = np.array([[1, 2, 3], [4, 5, -1], [7, -1, -1], [-1, -1, -1]], np.int32)
    theirs = np.array([[3, 2, 9], [4, -1, -1], [-1, -1, -1], [1, 2, 3]], np.int32)
    # Two of three, one of one, none asked for, none of three.
    assert lists.overlap(ours, theirs) == pytest.approx((2 / 3 + 1 + 1 + 0) / 4)
    assert lists.overlap(theirs[:1], theirs[:1]) == 1.0
    eleven = np.arange(2, 13, dtype=np.int32)[None]
    assert lists.overlap(eleven[:, ::-1], eleven) == pytest.approx(0.9), "only the first ten count"
    assert lists.overlap(ours[:0], theirs[:0]) == 1.0
