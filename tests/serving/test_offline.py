"""What the endpoint answers is what evaluation ranked: the same features, scores and ties, however many are asked."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataset.batches import CandidateFeatures
from dataset.query import Queries, ask_all
from dataset.vocabulary import OOV, Vocabulary
from evaluation import protocol
from serving import servable
from serving.answering import Answering
from serving.exposure import ExposureLog
from serving.messages import Request
from serving.servable import Servable
from tests.models.test_conformance import SHAPES, WORLD
from tests.models.worlds import CATALOGUE, NUM_ITEMS, START

QUERIES, DAY, K = 1000, 86_400, 10
LISTED = np.flatnonzero(CATALOGUE).astype(np.int32)
TOLERANCE = 1e-5
"""Of a score; sums of float32 depend on how many rows a product has."""


def asked(seed: int) -> Queries:
    """As many users, each with a history of 1 to 40 interactions, asked a while after the last one."""
    rng = np.random.default_rng(seed)
    histories = []
    for length in rng.integers(1, 41, QUERIES):
        times = START + np.sort(rng.integers(0, 30 * DAY, length))
        histories.append((rng.choice(LISTED, length), times, int(times[-1] + rng.integers(0, DAY))))
    return replace(ask_all(histories), target=rng.choice(LISTED, QUERIES))


@pytest.fixture(scope="module", params=["two-tower", "transformer"])
def whole(request: pytest.FixtureRequest, tiny_servable: Path) -> Servable:
    """A servable around a fresh model; who is asked about is stored in it."""
    from models import export, stored

    model = stored.build(SHAPES[request.param])
    tower = export.tower(model, CandidateFeatures.catalogue(WORLD.features, WORLD.freeze))
    return replace(
        servable.read(tiny_servable),
        form=tower,
        vocabulary=Vocabulary.of(f"item-{index}" for index in range(NUM_ITEMS - OOV - 1)),
        titles=[""] * NUM_ITEMS,
        item_categories=np.zeros((NUM_ITEMS, 1), np.int32),
        catalogue=CATALOGUE,
        popular=LISTED,
    )


def test_a_thousand_of_a_thousand(whole: Servable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, rng = asked(3), np.random.default_rng(5)
    known = replace(whole, users={str(row): row for row in range(QUERIES)}, timelines=queries.timelines)
    answering = Answering(known, version="v", log=ExposureLog(tmp_path))
    ranked = protocol.rank(whole.form, queries, whole.catalogue, k=K, chunk_size=512)
    scores, same = whole.form.scores(queries), 0
    order = np.argsort(queries.time, kind="stable")
    for rows in np.split(order, np.sort(rng.choice(QUERIES, 200, replace=False))):
        questions = []
        for row in rows:
            monkeypatch.setattr(time, "time", lambda moment=int(queries.time[row]): moment)
            questions.append(answering.question(Request(str(row), (), K)))
        for row, answer in zip(rows, answering.find(questions), strict=True):
            items = np.array(known.vocabulary.known([item.item_id for item in answer.items]))
            found = np.array([item.score for item in answer.items])
            np.testing.assert_allclose(found, scores[row, items], atol=TOLERANCE)
            listed = ranked.lists[row][ranked.lists[row] >= 0]
            np.testing.assert_allclose(found, scores[row, listed], atol=TOLERANCE)
            same += items.tolist() == listed.tolist()
    # Two scores within the tolerance may change places.
    assert same >= QUERIES * 0.99
