from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.query import Floats, Queries
from dataset.vocabulary import OOV, PADDING
from evaluation import protocol
from evaluation.protocol import MISS, Ranking, ScoreError
from tests.evaluation.toys import Table, questions, table

# Items 0 and 1 are reserved, 2..6 are the catalogue, 7 was never taken before the freeze.
CATALOGUE = np.array([False, False, True, True, True, True, True, False])


def ranks(scorer: Table, queries: Queries, *, k: int = 5, chunk_size: int = 10) -> tuple[list[int], list[list[int]]]:
    ranking = protocol.rank(scorer, queries, CATALOGUE, k=k, chunk_size=chunk_size)
    return ranking.rank.tolist(), ranking.lists.tolist()


def test_the_rank_counts_what_stands_before_the_target() -> None:
    scorer = table([9, 9, 0.1, 0.5, 0.3, 0.9, 0.2, 9])
    for target, expected in {5: 1, 3: 2, 4: 3, 6: 4, 2: 5}.items():
        assert ranks(scorer, questions([[]], [target])) == ([expected], [[5, 3, 4, 6, 2]])


def test_ties_are_broken_against_the_model() -> None:
    assert ranks(table([0] * 8), questions([[]], [2]))[0] == [5]
    # Items 3 and 4 share the second place: whichever is the target stands third.
    scorer = table([0, 0, 0.1, 0.5, 0.5, 0.9, 0.1, 0])
    assert [ranks(scorer, questions([[]], [target]))[0] for target in (3, 4, 2)] == [[3], [3], [5]]


def test_seen_items_are_no_candidates() -> None:
    scorer = table([0, 0, 0.1, 0.5, 0.3, 0.9, 0.2, 0])
    assert ranks(scorer, questions([[5, 3, 5]], [4])) == ([1], [[4, 6, 2, -1, -1]])
    assert ranks(scorer, questions([[5, 3, 5]], [2])) == ([3], [[4, 6, 2, -1, -1]])


def test_only_the_history_before_the_query_is_removed() -> None:
    queries = questions([[5, 3]], [4])
    earlier = Queries(queries.timelines, queries.user, np.array([1], np.int64), queries.time, queries.target)
    scorer = table([0, 0, 0.1, 0.5, 0.3, 0.9, 0.2, 0])
    assert ranks(scorer, earlier)[1] == [[3, 4, 6, 2, -1]]


@pytest.mark.parametrize("target", [7, OOV, PADDING])
def test_a_target_outside_the_catalogue_is_a_miss(target: int) -> None:
    scorer = table([9, 9, 0.1, 0.5, 0.3, 0.9, 0.2, 9])
    assert ranks(scorer, questions([[]], [target])) == ([MISS], [[5, 3, 4, 6, 2]])


def test_scores_outside_the_catalogue_are_not_looked_at() -> None:
    scorer = table([np.nan, np.inf, 0.1, 0.5, 0.3, 0.9, 0.2, np.nan])
    assert ranks(scorer, questions([[]], [3])) == ([2], [[5, 3, 4, 6, 2]])


def test_each_query_is_asked_as_its_own_user() -> None:
    scorer = table([0, 0, 1, 2, 3, 4, 5, 0], [0, 0, 5, 4, 3, 2, 1, 0])
    queries = questions([[], [2]], [6, 6, 6], users=[1, 0, 1])
    assert ranks(scorer, queries, k=2) == ([4, 1, 4], [[3, 4], [6, 5], [3, 4]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_cannot_be_ranked_are_refused(bad: float) -> None:
    scorer = table([0] * 8, [0, 0, 0, 0, bad, 0, 0, 0])
    assert ranks(scorer, questions([[], []], [2], users=[0]))[0] == [5]
    with pytest.raises(ScoreError, match=r"must be finite .* Received: 1 of 5 values"):
        ranks(scorer, questions([[], []], [2], users=[1]))


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ScoreError, match=r"must be \(256, 8\). Received: \(256, 7\)"):
        ranks(table([0] * 7), questions([[]], [2]))


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, 36, 37, 38, 1000])
def test_the_result_does_not_depend_on_the_chunks(chunk_size: int) -> None:
    generator = np.random.default_rng(3)
    scorer = Table(generator.integers(0, 4, (37, 8)).astype(np.float32))
    histories = [generator.integers(2, 7, generator.integers(0, 4)).tolist() for _ in range(37)]
    queries = questions(histories, generator.integers(0, 8, 37).tolist())
    assert ranks(scorer, queries, chunk_size=chunk_size) == ranks(scorer, queries, chunk_size=5)


@dataclass(frozen=True)
class Product:
    """Dot products, which BLAS rounds in another way in another shape."""

    users: Floats
    items: Floats
    asked: list[int] = field(default_factory=list)

    def scores(self, queries: Queries) -> Floats:
        self.asked.append(len(queries))
        found: Floats = self.users[queries.user] @ self.items.T
        return found


def product_ranking(num_items: int, *, chunk_size: int) -> tuple[Ranking, list[int]]:
    generator = np.random.default_rng(num_items)
    count = 300
    scorer = Product(
        generator.normal(size=(count, 48)).astype(np.float32), generator.normal(size=(num_items, 48)).astype(np.float32)
    )
    histories = [generator.integers(2, num_items, size).tolist() for size in generator.integers(0, 20, count)]
    queries = questions(histories, generator.integers(2, num_items, count).tolist())
    catalogue = np.arange(num_items) >= 2
    return protocol.rank(scorer, queries, catalogue, k=20, chunk_size=chunk_size), scorer.asked


@pytest.mark.parametrize("num_items", [7, 50, 1682, 70_000])
def test_products_are_the_same_bits_in_any_chunks(num_items: int) -> None:
    """The rule that makes it so is seen in the calls: one size, whatever the chunks."""
    expected, calls = product_ranking(num_items, chunk_size=512)
    assert set(calls) == {protocol.block_size(num_items)}
    for chunk_size in (1, 100, 257):
        found, asked = product_ranking(num_items, chunk_size=chunk_size)
        assert asked == calls
        assert found.rank.tobytes() == expected.rank.tobytes()
        assert found.lists.tobytes() == expected.lists.tobytes()


def test_the_block_bounds_what_is_held_and_depends_on_the_items_alone() -> None:
    sizes = {items: protocol.block_size(items) for items in (1, 1682, 32_768, 32_769, 100_000, 600_000, 10**8)}
    assert sizes == {1: 256, 1682: 256, 32_768: 256, 32_769: 128, 100_000: 64, 600_000: 16, 10**8: 16}


def plain(scores: npt.NDArray[np.float64], queries: Queries, catalogue: npt.NDArray[np.bool_], k: int) -> Ranking:
    """The definition, item by item: what the fast way has to agree with."""
    allowed = queries.unseen(catalogue)
    lists, places = np.full((len(queries), k), -1, np.int32), np.zeros(len(queries), np.int64)
    for query, (row, target) in enumerate(zip(scores, queries.target, strict=True)):
        order = sorted(np.flatnonzero(allowed[query]), key=lambda item: (-row[item], item))
        lists[query, : min(k, len(order))] = order[:k]
        if allowed[query, target]:
            places[query] = sum(row[item] >= row[target] for item in order)
    return Ranking(places, lists)


@given(
    num_items=st.integers(3, 400),
    k=st.integers(1, 12),
    levels=st.sampled_from([1, 2, 7, 10_000]),
    seed=st.integers(0, 1000),
)
def test_ranking_agrees_with_its_definition(num_items: int, k: int, levels: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, levels, (5, num_items)).astype(np.float32)
    catalogue = generator.random(num_items) < 0.8
    histories = [generator.integers(2, num_items, size).tolist() for size in generator.integers(0, 9, 5)]
    queries = questions(histories, generator.integers(0, num_items, 5).tolist())
    found = protocol.rank(Table(scores), queries, catalogue, k=k, chunk_size=3)
    expected = plain(scores.astype(np.float64), queries, catalogue, k)
    assert found.rank.tolist() == expected.rank.tolist()
    assert found.lists.tolist() == expected.lists.tolist()


@dataclass(frozen=True)
class Shared:
    """One row for everybody, as popularity answers it: a view that cannot be written to."""

    row: npt.NDArray[np.generic]

    def scores(self, queries: Queries) -> Floats:
        return np.broadcast_to(self.row, (len(queries), len(self.row)))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int32, np.int64])
def test_answers_of_any_kind_are_ranked_and_left_as_they_are(kind: type[np.generic]) -> None:
    row = np.array([9, 9, 1, 5, 3, 9, 2, 9]).astype(kind)
    queries = questions([[5], [3, 4]], [4, 5])
    ranking = protocol.rank(Shared(row), queries, CATALOGUE, k=5, chunk_size=8)
    assert (ranking.rank.tolist(), ranking.lists.tolist()) == ([2, 1], [[3, 4, 6, 2, -1], [5, 6, 2, -1, -1]])
    assert row.tolist() == [9, 9, 1, 5, 3, 9, 2, 9]


def test_whole_numbers_beyond_float32_keep_their_order() -> None:
    row = np.array([0, 0, 2**40, 2**40 + 1, 2**40 + 2, 0, 0, 0])
    ranking = protocol.rank(Shared(row), questions([[]], [3]), CATALOGUE, k=2, chunk_size=8)
    assert (ranking.rank.tolist(), ranking.lists.tolist()) == ([2], [[4, 3]])


def test_no_queries_give_an_empty_ranking() -> None:
    assert ranks(table([0] * 8), questions([[]], [], users=[])) == ([], [])
