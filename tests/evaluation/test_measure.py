from dataclasses import replace
from math import log, log2

import numpy as np
import pytest

from evaluation.content import Content, ContentError
from evaluation.measure import Exam
from evaluation.protocol import MISS
from tests.evaluation.toys import MOMENT, questions, table

CATALOGUE = np.array([False, False, True, True, True, True])
# 1 + 1 + 8 + 4 + 2 + 2 taken and 6 items: the head at half of the catalogue is items 2 and 3.
COUNTS = np.array([0, 0, 8, 4, 2, 2])
SCORER = table([0, 0, 4, 3, 2, 1], [0, 0, 4, 3, 2, 1], [0, 0, 1, 2, 3, 4])


DAY = 86_400
BEYOND = [f"{name}_at_{k}" for name in ("diversity", "serendipity", "miscalibration") for k in (1, 3)]
# Items 2 and 3 are of category 2, 4 and 5 of category 3; of late 3 was taken most, then 2, and nothing else.
CONTENT = Content(
    categories=np.array([[0], [0], [2], [2], [3], [3]], np.int32),
    category_names=("<padding>", "<oov>", "Drama", "Comedy"),
    first_seen=np.array([2**62, 2**62, MOMENT - 400 * DAY, MOMENT - 3 * DAY, MOMENT - 30 * DAY, MOMENT - 30 * DAY]),
    recent=np.array([0, 0, 3, 5, 0, 0]),
    groups={"gender": np.array(["F", "M", ""])},
)


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
    assert len(values) == 2 * (8 + 2)
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


def test_with_content_there_are_metrics_beyond_accuracy() -> None:
    asked = replace(exam(), content=CONTENT)
    ranking = asked.take(SCORER)
    values = asked.per_query(ranking)
    assert list(values) == [*exam().per_query(ranking), *(name for name in values if name in BEYOND)]
    # Lists: 2 3 4, 4 5, 4 3 2; one list of one category, the others of two thirds of pairs of different ones.
    assert values["diversity_at_3"].tolist() == pytest.approx([2 / 3, 0, 2 / 3])
    assert np.isnan(values["diversity_at_1"]).all()
    # The first target, item 3, is what anybody would have been shown; the second, item 5, nobody has taken of late.
    assert values["serendipity_at_3"].tolist() == pytest.approx([0, 1 / 3, 0])
    # Histories: none; Drama twice; Comedy, against a list of two thirds Drama.
    third = log(1 / (0.99 / 3 + 0.01))
    expected = [np.nan, log(100), third]
    assert values["miscalibration_at_3"].tolist() == pytest.approx(expected, nan_ok=True)


def test_what_nobody_takes_of_late_is_not_obvious() -> None:
    # Without this rule the list of the obvious would be filled up with items 4 and 5, and nothing could be unexpected.
    quiet = replace(CONTENT, recent=np.zeros(6, np.int64))
    asked = replace(exam(), content=quiet)
    assert asked.per_query(asked.take(SCORER))["serendipity_at_3"].tolist() == pytest.approx([1 / 3, 1 / 3, 0])


def test_fine_slices_need_content_and_leave_the_coarse_ones_alone() -> None:
    asked = replace(exam(), content=CONTENT)
    assert exam().fine_slices() == {}
    assert asked.slices().keys() == exam().slices().keys()
    inside = {name: np.flatnonzero(rows).tolist() for name, rows in asked.fine_slices().items() if rows.any()}
    assert inside == {
        "history:0": [0],
        "history:1-4": [1, 2],
        "age:0-6": [0],
        "age:30-89": [1],
        "popularity:0": [2],
        "popularity:1-4": [0, 1],
        "category:Drama": [0],
        "category:Comedy": [1],
        "group:gender=F": [0],
        "group:gender=M": [1],
    }


def test_what_all_lists_have_together() -> None:
    asked = exam()
    found = asked.of_all_lists(asked.take(SCORER))
    assert list(found) == [f"{name}_at_{k}" for k in (1, 3) for name in ("coverage", "gini", "personalization")]
    assert {name: found[name] for name in asked.coverage(asked.take(SCORER))} == asked.coverage(asked.take(SCORER))
    # First places 2, 4, 4: two of three pairs have nothing in common.
    assert found["personalization_at_1"] == pytest.approx(2 / 3)
    assert found["gini_at_1"] == pytest.approx((1 * 1 + 3 * 2) / (4 * 3))


def test_content_of_other_items_or_users_is_refused() -> None:
    with pytest.raises(ContentError, match=r"the exam's 6 items\. Received: 5"):
        replace(
            exam(),
            content=replace(
                CONTENT,
                categories=CONTENT.categories[1:],
                first_seen=np.zeros(5, np.int64),
                recent=np.zeros(5, np.int64),
            ),
        )
    with pytest.raises(ContentError, match=r"the exam's 3 users\. Received: 2"):
        replace(exam(), content=replace(CONTENT, groups={"gender": np.array(["F", "M"])}))
