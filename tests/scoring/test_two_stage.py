"""What the second stage may change, and what it may not."""

from dataclasses import replace

import numpy as np
import pytest

from dataset.query import Floats, Queries
from highest import NOTHING
from scoring.blend import Blend
from scoring.forms import FormError
from scoring.neighbours import Neighbours
from scoring.popular import Popular
from scoring.two_stage import Retrieval, TwoStage, lifted
from tests.scoring.stages import ASKED, CATALOGUE, ITEMS, PAIRS, two_stage

COUNTS = np.array([90, 80, 3, 9, 5, 7, 7, 1], np.float32)
"""The reserved two are the most popular: they must not be on any list."""
POPULAR = Popular(COUNTS)
WEIGHTS, BIAS = np.random.default_rng(2).normal(size=(ITEMS, ITEMS)).astype(np.float32), COUNTS / np.float32(100)
LINEAR = Neighbours(WEIGHTS, BIAS, 2.0, 3)
BLEND = Blend([LINEAR, POPULAR], [0, 3], np.array([[0.5, 1], [0.7, 0.3]], np.float32))


def allowed(queries: Queries) -> np.ndarray:
    mask = np.repeat(CATALOGUE[None], len(queries), axis=0)
    mask[queries.seen()] = False
    return mask


def order(scores: Floats, mask: np.ndarray) -> list[list[int]]:
    """Items that may be recommended, best first."""
    return [
        [int(item) for item in np.argsort(-row, kind="stable") if inside[item]]
        for row, inside in zip(scores, mask, strict=True)
    ]


def test_the_shortlist_is_the_best_that_may_be_recommended() -> None:
    listed, _ = Retrieval(POPULAR, CATALOGUE, 3, PAIRS).ask(ASKED)
    # Taken: nothing; 2, 3, 4; 5, 2, 5, 3; 5, 2. Of equals (5 and 6) the lower index is first.
    assert listed.items.tolist() == [[3, 5, 6], [5, 6, 7], [6, 4, 7], [3, 6, 4]]


def test_a_short_shortlist_is_filled_up() -> None:
    listed, _ = Retrieval(POPULAR, CATALOGUE, 5, PAIRS).ask(ASKED)
    assert listed.items[1].tolist() == [5, 6, 7, NOTHING, NOTHING]
    assert np.isfinite(listed.numbers).all()


@pytest.mark.parametrize("form", [POPULAR, LINEAR, BLEND], ids=["popular", "neighbours", "blend"])
@pytest.mark.parametrize("candidates", [1, 3, 5, 50])
def test_whoever_is_not_on_the_shortlist_stays_behind_as_it_was(form: Blend, candidates: int) -> None:
    made, mask = two_stage(form, candidates=candidates), allowed(ASKED)
    before, after = order(form.scores(ASKED), mask), order(made.scores(ASKED), mask)
    for one, other in zip(before, after, strict=True):
        assert sorted(one[:candidates]) == sorted(other[:candidates])
        assert one[candidates:] == other[candidates:]
    if candidates >= 3:
        assert before != after


def test_the_order_on_the_shortlist_is_the_rankers() -> None:
    made = two_stage(BLEND, candidates=4)
    listed, _ = made.retrieval.ask(ASKED)
    ranked = made.ranker.scores(listed.numbers, np.maximum(listed.items, 0), listed.history)
    after = order(made.scores(ASKED), allowed(ASKED))
    for row, (items, values) in enumerate(zip(listed.items, ranked, strict=True)):
        present = items != NOTHING
        expected = [int(item) for item in items[present][np.argsort(-values[present], kind="stable")]]
        assert after[row][: len(expected)] == expected


@pytest.mark.parametrize("level", [0.0, 1e6, -1e6, 1e-6])
def test_large_and_small_retrieval_scores_lose_nothing(level: float) -> None:
    scores = np.array([[1, 2, 3, 4, 5, 6]], np.float32) * (1 if level == 0 else np.float32(level))
    items, ranked = np.array([[5, 4, 3, NOTHING]]), np.array([[0.001, 0.002, 0.003, 9]], np.float32)
    found = lifted(scores, items, ranked)[0]
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[:3], scores[0, :3])
    assert found[3] > found[4] > found[5] > scores.max()


def test_chunks_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    made = two_stage(BLEND, candidates=4, embedding_dim=3)
    whole = made.scores(ASKED)
    monkeypatch.setattr("scoring.two_stage.CHUNK", 3)
    np.testing.assert_allclose(made.scores(ASKED), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "value", "says"),
    [
        ("pairs-catalogue", np.ones(ITEMS), "pairs-catalogue: must be bool"),
        ("ranker-mean", np.ones(4, np.float32), "shape must be"),
        ("ranker-embedding", np.ones((3, 0), np.float32), "ranker-embedding: must have 8 items"),
        ("pairs-facts", np.ones((ITEMS, 3), np.float32), "ranker-mean: must have the 20 numbers"),
        ("retrieval-counts", np.full(ITEMS, np.inf, np.float32), "counts: must be finite"),
    ],
)
def test_what_does_not_fit_is_refused(array: str, value: np.ndarray, says: str) -> None:
    made = two_stage(POPULAR, candidates=3)
    with pytest.raises(FormError, match=says):
        TwoStage.of(made.arrays() | {array: value}, made.settings())


def test_a_retrieval_must_be_a_form_that_stands_alone_or_a_blend() -> None:
    made = two_stage(POPULAR, candidates=3)
    settings = made.settings() | {"retrieval": {"kind": TwoStage.KIND, "settings": {}}}
    with pytest.raises(FormError, match="retrieval must be one of"):
        TwoStage.of(made.arrays(), settings)


def test_a_catalogue_is_kept() -> None:
    closed = replace(two_stage(POPULAR, candidates=3).retrieval, catalogue=np.arange(ITEMS) == 4)
    assert closed.ask(ASKED)[0].items[0].tolist() == [4, NOTHING, NOTHING]
