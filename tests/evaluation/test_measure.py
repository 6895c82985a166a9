from math import log2

import numpy as np
import pytest

from evaluation.measure import Exam
from evaluation.protocol import MISS
from tests.evaluation.toys import questions, table

CATALOGUE = np.array([False, False, True, True, True, True])
# 1 + 1 + 8 + 4 + 2 + 2 taken and 6 items: the head at half of the catalogue is items 2 and 3.
COUNTS = np.array([0, 0, 8, 4, 2, 2])
SCORER = table([0, 0, 4, 3, 2, 1], [0, 0, 4, 3, 2, 1], [0, 0, 1, 2, 3, 4])


def exam(cutoffs: tuple[int, ...] = (1, 3)) -> Exam:
    return Exam(
        queries=questions([[], [2, 3], [5]], [3, 5, 1]),
        catalogue=CATALOGUE,
        counts=COUNTS,
        cutoffs=cutoffs,
        head_share=0.5,
        cold_history=0,
        chunk_size=2,
    )


def test_a_scorer_is_ranked_to_the_largest_cutoff() -> None:
    ranking = exam().take(SCORER)
    assert ranking.rank.tolist() == [2, 2, MISS]
    assert ranking.lists.tolist() == [[2, 3, 4], [4, 5, -1], [4, 3, 2]]
    assert exam((4, 2)).take(SCORER).lists.shape == (3, 4)


def test_every_metric_comes_from_the_same_ranking() -> None:
    values = exam().per_query(exam().take(SCORER))
    assert values["ndcg_at_1"].tolist() == [0, 0, 0]
    assert values["ndcg_at_3"].tolist() == pytest.approx([1 / log2(3), 1 / log2(3), 0])
    assert values["popularity_share_at_3"].tolist() == pytest.approx([2 / 3, 0, 2 / 3])
    bits = [-log2((count + 1) / 22) for count in COUNTS]
    assert values["novelty_at_1"].tolist() == pytest.approx([bits[2], bits[4], bits[4]])
    assert len(values) == 2 * (6 + 2)
    assert all(value.shape == (3,) and value.dtype == np.float64 for value in values.values())


def test_coverage_is_of_all_lists() -> None:
    coverage = exam().coverage(exam().take(SCORER))
    assert coverage == {"coverage_at_1": 0.5, "coverage_at_3": 1.0}


def test_slices_use_the_exams_own_head_and_cold_rule() -> None:
    assert exam().head.tolist() == [False, False, True, True, False, False]
    assert {name: inside.tolist() for name, inside in exam().slices().items()} == {
        "cold": [True, False, False],
        "warm": [False, True, True],
        "head": [True, False, False],
        "tail": [False, True, False],
        "new": [False, False, True],
    }
