from math import log1p

import numpy as np
import pytest

from dataset.batches import CandidateFeatures, examples
from dataset.features import ItemFeatures, categories, counts, first_seen, popularity, year
from dataset.query import DAY_SECONDS
from dataset.timelines import Log, queries, timelines
from dataset.vocabulary import OOV, PADDING, Vocabulary

DAY0 = 19_000 * DAY_SECONDS
N_ITEMS = 5
# (user, item, seconds): on day 0 item 2 twice and item 3 once; on day 1 item 3 and an unknown one; on day 2 item 4.
ROWS = [
    (0, 2, 10),
    (1, 2, 20),
    (1, 3, 30),
    (0, 3, DAY_SECONDS + 1),
    (1, OOV, DAY_SECONDS + 2),
    (0, 4, 2 * DAY_SECONDS + 1),
]
LOG = Log(
    user=np.array([row[0] for row in ROWS], np.int32),
    item=np.array([row[1] for row in ROWS], np.int32),
    identity=np.array([row[1] for row in ROWS], np.int64),
    time=DAY0 + np.array([row[2] for row in ROWS], np.int64),
)
QUERIES = queries(LOG, timelines(LOG, 2))


def features() -> ItemFeatures:
    shares = popularity(LOG, N_ITEMS, windows_days=[1, 30], snapshot_days=1)
    return ItemFeatures(
        categories=categories([[], [], ["a"], ["b", "a"], []], Vocabulary.of(["a", "b"])),
        year=year(np.array([np.nan, np.nan, 1990, 2020, np.nan])),
        popularity=shares.values,
        snapshot_times=shares.snapshot_times,
        count_train=counts(LOG, N_ITEMS),
        count_fit=counts(LOG, N_ITEMS),
        first_seen=first_seen(LOG, N_ITEMS),
        dense=np.zeros((N_ITEMS, 0), np.float32),
    )


def test_examples_are_the_queries_a_model_can_answer() -> None:
    found = examples(QUERIES, features(), 3)
    assert found["item"].tolist() == [2, 2, 3, 3, 4]
    assert found["history"].tolist() == [[0, 0, 0], [0, 0, 0], [2, 0, 0], [2, 0, 0], [3, 2, 0]]
    assert found["context"].shape == (5, 4)
    assert found["categories"].tolist() == [[2, 0], [2, 0], [3, 2], [3, 2], [0, 0]]
    assert found["year"].ravel().tolist() == pytest.approx([0.9, 0.9, 1.2, 1.2, 0])
    assert found["year"].shape == (5, 1)
    assert found["probability"].tolist() == pytest.approx([0.4, 0.4, 0.4, 0.4, 0.2])


def test_shapes_and_types_are_fixed() -> None:
    found = examples(QUERIES, features(), 7)
    assert {name: (value.dtype.name, value.shape) for name, value in found.items()} == {
        "history": ("int32", (5, 7)),
        "context": ("float32", (5, 4)),
        "item": ("int32", (5,)),
        "categories": ("int32", (5, 2)),
        "year": ("float32", (5, 1)),
        "popularity": ("float32", (5, 2)),
        "probability": ("float32", (5,)),
    }


def test_a_targets_popularity_is_that_of_its_own_moment() -> None:
    third = log1p(1000 / 3)
    found = examples(QUERIES, features(), 3)["popularity"]
    # Day 0 knows nothing yet; day 1 knows day 0, of which item 3 was a third; day 2 knows nothing of item 4.
    assert found.ravel().tolist() == pytest.approx([0, 0, 0, 0, 0, 0, third, third, 0, 0])


def test_the_catalogue_has_every_item_at_one_moment() -> None:
    found = CandidateFeatures.catalogue(features(), DAY0 + 2 * DAY_SECONDS)
    assert found.item.tolist() == [0, 1, 2, 3, 4]
    expected = [0, 0, 0, 0, 0, log1p(500), log1p(1000), log1p(500), 0, 0]
    assert found.popularity.ravel().tolist() == pytest.approx(expected)
    assert found.categories.tolist() == [[PADDING] * 2, [PADDING] * 2, [2, 0], [3, 2], [0, 0]]


def test_the_catalogue_before_the_log_is_empty_of_popularity() -> None:
    assert not CandidateFeatures.catalogue(features(), DAY0 - 1).popularity.any()


def test_a_candidate_is_the_same_in_a_batch_and_in_the_catalogue() -> None:
    moment = DAY0 + DAY_SECONDS + 5
    catalogue = CandidateFeatures.catalogue(features(), moment).inputs()
    items = np.array([4, 2, 2], np.int32)
    chosen = CandidateFeatures.of(features(), items, np.full(3, moment)).inputs()
    for name, value in chosen.items():
        assert np.array_equal(value, catalogue[name][items]), name


def test_without_a_known_target_there_are_no_examples() -> None:
    found = examples(QUERIES[QUERIES.target == OOV], features(), 3)
    assert {len(value) for value in found.values()} == {0}
