import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dataset.query import Floats, Queries
from dataset.vocabulary import OOV, PADDING
from evaluation import protocol
from evaluation.protocol import MISS, ScoreError
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
    with pytest.raises(ScoreError, match=r"must be finite and \[1, 8\].*1 values not finite"):
        ranks(scorer, questions([[], []], [2], users=[1]))


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ScoreError, match=r"\[1, 8\]. Received: \(1, 7\)"):
        ranks(table([0] * 7), questions([[]], [2]))


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, 36, 37, 38, 1000])
def test_the_result_does_not_depend_on_the_chunks(chunk_size: int) -> None:
    generator = np.random.default_rng(3)
    scorer = Table(generator.integers(0, 4, (37, 8)).astype(np.float32))
    histories = [generator.integers(2, 7, generator.integers(0, 4)).tolist() for _ in range(37)]
    queries = questions(histories, generator.integers(0, 8, 37).tolist())
    assert ranks(scorer, queries, chunk_size=chunk_size) == ranks(scorer, queries, chunk_size=5)


def test_no_queries_give_an_empty_ranking() -> None:
    assert ranks(table([0] * 8), questions([[]], [], users=[])) == ([], [])


def test_top_by_hand() -> None:
    infinite = -np.inf
    scores = np.array([[3, 1, 3, 2], [1, 1, 1, 1], [infinite, 5, infinite, 6], [infinite] * 4], np.float32)
    assert protocol.top(scores, 2).tolist() == [[0, 2], [0, 1], [3, 1], [-1, -1]]
    assert protocol.top(scores, 3).tolist() == [[0, 2, 3], [0, 1, 2], [3, 1, -1], [-1, -1, -1]]
    assert protocol.top(scores, 6).tolist() == [
        [0, 2, 3, 1, -1, -1],
        [0, 1, 2, 3, -1, -1],
        [3, 1, -1, -1, -1, -1],
        [-1] * 6,
    ]


def sorted_row(row: Floats, k: int) -> list[int]:
    """What `top` means, in one line of Python."""
    best = sorted((item for item in range(len(row)) if row[item] > -np.inf), key=lambda item: (-row[item], item))
    return (best + [-1] * k)[:k]


few_values = st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 1.0, 3e38])
any_value = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    scores=arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=few_values | any_value),
    k=st.integers(1, 15),
)
def test_top_is_a_plain_sort(scores: npt.NDArray[np.float32], k: int) -> None:
    assert protocol.top(scores, k).tolist() == [sorted_row(row, k) for row in scores]
