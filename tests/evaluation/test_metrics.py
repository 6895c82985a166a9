from math import log2

import numpy as np
import pytest

from dataset.query import Queries
from evaluation import metrics, protocol
from evaluation.protocol import MISS
from tests.evaluation.toys import Table, questions

# Told when Python first compiles ranx: a DeprecationWarning in 3.11, a SyntaxWarning in 3.12.
RANX_WARNINGS = pytest.mark.filterwarnings("ignore:invalid escape sequence::.*ranx")


def test_accuracy_by_hand() -> None:
    values = metrics.accuracy(np.array([1, 3, 10, 11, MISS]), [10, 2])
    hand = {
        "ndcg_at_10": [1, 1 / 2, 1 / log2(11), 0, 0],
        "recall_at_10": [1, 1, 1, 0, 0],
        "mrr_at_10": [1, 1 / 3, 1 / 10, 0, 0],
        "hit_rate_at_10": [1, 1, 1, 0, 0],
        "precision_at_10": [0.1, 0.1, 0.1, 0, 0],
        # Precision 1/10 and recall 1: 2 * 0.1 * 1 / 1.1.
        "f1_at_10": [0.2 / 1.1, 0.2 / 1.1, 0.2 / 1.1, 0, 0],
        "ndcg_at_2": [1, 0, 0, 0, 0],
        "recall_at_2": [1, 0, 0, 0, 0],
        "mrr_at_2": [1, 0, 0, 0, 0],
        "hit_rate_at_2": [1, 0, 0, 0, 0],
        "precision_at_2": [0.5, 0, 0, 0, 0],
        "f1_at_2": [2 / 3, 0, 0, 0, 0],
    }
    assert list(values) == list(hand)
    for name, expected in hand.items():
        assert values[name].dtype == np.float64
        assert values[name].tolist() == pytest.approx(expected, abs=1e-15), name


def test_novelty_is_the_mean_information_of_the_listed_items() -> None:
    # 12 interactions and 4 items: probabilities (count + 1) / 16 are 1/2, 1/4, 1/8 and 1/8, so 1, 2, 3 and 3 bits.
    counts = np.array([7, 3, 1, 1])
    lists = np.array([[0, 1, 2], [2, 3, -1], [-1, -1, -1]], np.int32)
    values = metrics.beyond_accuracy(lists, counts, np.array([True, False, False, False]), [2, 3])
    assert values["novelty_at_2"].tolist() == pytest.approx([1.5, 3, 0])
    assert values["novelty_at_3"].tolist() == pytest.approx([2, 3, 0])


def test_popularity_share_is_the_heads_part_of_each_list() -> None:
    # The last item is of the head: a filler of -1 must not be taken for it.
    head = np.array([False, True, False, True])
    lists = np.array([[1, 3, 0], [1, 0, -1], [2, -1, -1], [-1, -1, -1]], np.int32)
    values = metrics.beyond_accuracy(lists, np.ones(4, np.int64), head, [1, 3])
    assert values["popularity_share_at_1"].tolist() == [1, 1, 0, 0]
    assert values["popularity_share_at_3"].tolist() == pytest.approx([2 / 3, 1 / 2, 0, 0])


def test_coverage_counts_each_listed_item_once() -> None:
    catalogue = np.array([False, True, True, True, True])
    lists = np.array([[1, 2, 3], [1, 3, -1], [-1, -1, -1]], np.int32)
    assert [metrics.coverage(lists, catalogue, k) for k in (1, 2, 3)] == [0.25, 0.75, 0.75]
    assert metrics.coverage(np.full((2, 3), -1), catalogue, 3) == 0
    assert metrics.coverage(np.full((0, 3), -1), catalogue, 3) == 0


NUM_ITEMS, NUM_QUERIES = 160, 200


def random_questions() -> tuple[Queries, Table, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Random histories and targets, one in ten of the targets outside the catalogue."""
    generator = np.random.default_rng(11)
    catalogue = (np.arange(NUM_ITEMS) >= 2) & (generator.random(NUM_ITEMS) < 0.9)
    orders = [generator.permutation(np.arange(2, NUM_ITEMS)) for _ in range(NUM_QUERIES)]
    queries = questions([order[:20].tolist() for order in orders], [int(order[20]) for order in orders])
    # Scores that lean towards the target, or few targets would stand in the first ten; all distinct.
    scores = generator.random((NUM_QUERIES, NUM_ITEMS))
    scores[np.arange(NUM_QUERIES), queries.target] **= 0.2
    return queries, Table(scores.astype(np.float32)), catalogue


@RANX_WARNINGS
def test_metrics_agree_with_ranx(monkeypatch: pytest.MonkeyPatch) -> None:
    # Compiling ranx takes a minute and a half; as plain Python the same functions answer at once.
    monkeypatch.setattr("numba.config.DISABLE_JIT", True)
    from ranx import Qrels, Run, evaluate

    queries, scorer, catalogue = random_questions()
    allowed = protocol.candidates(queries, catalogue)
    names = [f"{query:04d}" for query in range(NUM_QUERIES)]
    qrels = Qrels({name: {str(target): 1} for name, target in zip(names, queries.target, strict=True)})
    answers = {
        name: {str(item): float(scorer.values[query, item]) for item in np.flatnonzero(allowed[query])}
        for query, name in enumerate(names)
    }
    cutoffs = (10, 20, 100)
    theirs = [f"{name}@{k}" for k in cutoffs for name in ("ndcg", "recall", "mrr", "hit_rate", "precision", "f1")]
    expected = evaluate(qrels, Run(answers), theirs, return_mean=False)

    ranking = protocol.rank(scorer, queries, catalogue, k=100, chunk_size=64)
    ours = metrics.accuracy(ranking.rank, cutoffs)
    assert 0 < (ranking.rank == MISS).sum() < NUM_QUERIES
    assert all(0.2 < ours[f"recall_at_{k}"].mean() < 1 for k in cutoffs)
    assert list(ours) == [name.replace("@", "_at_") for name in theirs]
    for name in theirs:
        np.testing.assert_allclose(ours[name.replace("@", "_at_")], expected[name], rtol=0, atol=1e-9, err_msg=name)
