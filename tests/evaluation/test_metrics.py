from math import log2

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        "map_at_10": [1, 1 / 3, 1 / 10, 0, 0],
        # Items before the target, of ten; a miss has cost the whole list.
        "expected_loss_at_10": [0, 0.2, 0.9, 1, 1],
        "ndcg_at_2": [1, 0, 0, 0, 0],
        "recall_at_2": [1, 0, 0, 0, 0],
        "mrr_at_2": [1, 0, 0, 0, 0],
        "hit_rate_at_2": [1, 0, 0, 0, 0],
        "precision_at_2": [0.5, 0, 0, 0, 0],
        "f1_at_2": [2 / 3, 0, 0, 0, 0],
        "map_at_2": [1, 0, 0, 0, 0],
        "expected_loss_at_2": [0, 1, 1, 1, 1],
    }
    assert list(values) == list(hand)
    for name, expected in hand.items():
        assert values[name].dtype == np.float64
        assert values[name].tolist() == pytest.approx(expected, abs=1e-15), name


def test_average_precision_by_hand() -> None:
    lists = np.array([[5, 6, 7, 8], [5, 6, 7, 8], [5, 6, -1, -1], [5, 6, 7, 8], [-1, -1, -1, -1]], np.int32)
    # Relevant: 5 and 7; 8, 9 and 6; 6; nothing; 5. A pair told twice counts once.
    relevant = (np.array([0, 0, 0, 1, 1, 1, 2, 4]), np.array([5, 7, 7, 8, 9, 6, 6, 5]))
    four = [(1 + 2 / 3) / 2, (1 / 2 + 2 / 4) / 3, 1 / 2, 0, 0]
    assert metrics.average_precision(lists, relevant, 4).tolist() == pytest.approx(four)
    assert metrics.average_precision(lists, relevant, 2).tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 2, 0, 0])
    assert metrics.average_precision(lists[:0], (np.zeros(0, int), np.zeros(0, int)), 4).tolist() == []


places = st.lists(st.integers(0, 40), min_size=1, max_size=20).map(np.array)


@given(rank=places, k=st.integers(1, 30))
def test_accuracy_stays_in_its_bounds(rank: npt.NDArray[np.int64], k: int) -> None:
    values = metrics.accuracy(rank, [k])
    assert all(((value >= 0) & (value <= 1)).all() for value in values.values())
    found = (rank > 0) & (rank <= k)
    assert (values[f"expected_loss_at_{k}"][found] < 1).all()
    assert (values[f"expected_loss_at_{k}"][~found] == 1).all()


@given(rank=places, k=st.integers(1, 30))
def test_with_one_relevant_item_average_precision_is_the_reciprocal_rank(rank: npt.NDArray[np.int64], k: int) -> None:
    lists = np.tile(np.arange(100, 130, dtype=np.int32), (len(rank), 1))
    # The relevant item is the one at the rank; item 7 stands nowhere.
    relevant = (np.arange(len(rank)), np.where((rank > 0) & (rank <= 30), rank + 99, 7))
    general = metrics.average_precision(lists, relevant, k)
    assert general.tolist() == metrics.accuracy(rank, [k])[f"map_at_{k}"].tolist()


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
    allowed = queries.unseen(catalogue)
    names = [f"{query:04d}" for query in range(NUM_QUERIES)]
    qrels = Qrels({name: {str(target): 1} for name, target in zip(names, queries.target, strict=True)})
    answers = {
        name: {str(item): float(scorer.values[query, item]) for item in np.flatnonzero(allowed[query])}
        for query, name in enumerate(names)
    }
    cutoffs = (10, 20, 100)
    theirs = [
        f"{name}@{k}" for k in cutoffs for name in ("ndcg", "recall", "mrr", "hit_rate", "precision", "f1", "map")
    ]
    expected = evaluate(qrels, Run(answers), theirs, return_mean=False)

    ranking = protocol.rank(scorer, queries, catalogue, k=100, chunk_size=64)
    ours = metrics.accuracy(ranking.rank, cutoffs)
    assert 0 < (ranking.rank == MISS).sum() < NUM_QUERIES
    assert all(0.2 < ours[f"recall_at_{k}"].mean() < 1 for k in cutoffs)
    # ranx has no expected loss.
    told = [name for name in ours if not name.startswith("expected_loss")]
    assert told == [name.replace("@", "_at_") for name in theirs]
    for name in theirs:
        np.testing.assert_allclose(ours[name.replace("@", "_at_")], expected[name], rtol=0, atol=1e-9, err_msg=name)


@RANX_WARNINGS
def test_average_precision_agrees_with_ranx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", True)
    from ranx import Qrels, Run, evaluate

    generator = np.random.default_rng(5)
    lists = np.array([generator.permutation(60)[:30] for _ in range(50)], np.int32)
    relevant = [generator.permutation(60)[: generator.integers(1, 12)] for _ in range(50)]
    qrels = Qrels({f"{query:02d}": {str(item): 1 for item in items} for query, items in enumerate(relevant)})
    run = Run(
        {f"{query:02d}": {str(item): 30.0 - place for place, item in enumerate(row)} for query, row in enumerate(lists)}
    )
    pairs = (np.repeat(np.arange(50), [len(items) for items in relevant]), np.concatenate(relevant))
    for k in (1, 5, 30):
        expected = evaluate(qrels, run, [f"map@{k}"], return_mean=False)
        np.testing.assert_allclose(metrics.average_precision(lists, pairs, k), expected, rtol=0, atol=1e-12)
    assert 0.05 < metrics.average_precision(lists, pairs, 30).mean() < 0.6
