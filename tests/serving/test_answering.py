import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataset.vocabulary import RESERVED
from scoring.pooled import Pooled
from scoring.tables import Table
from scoring.tower import Tower
from serving import servable
from serving.answering import Answering
from serving.exposure import Exposure, ExposureLog
from serving.messages import Answer, Request
from tests.serving import logged


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ExposureLog]:
    opened = ExposureLog(tmp_path / "exposures")
    yield opened
    opened.close()


@pytest.fixture
def answering(tiny_servable: Path, log: ExposureLog) -> Answering:
    return Answering(servable.read(tiny_servable), version="v1", log=log)


def ask(answering: Answering, user: str | None, *history: str, k: int = 10) -> Answer:
    return answered(answering, Request(user, history, k))


def answered(answering: Answering, request: Request, *, request_id: str = "r", before: float = 0.0) -> Answer:
    ((_, answer),) = answering.answer_all([answering.question(request, request_id, time.perf_counter() - before)])
    return answer


def names(answer: Answer) -> list[str]:
    return [item.item_id.removeprefix("item-") for item in answer.items]


def test_stored_history_is_asked_and_never_recommended(answering: Answering) -> None:
    answer = ask(answering, "ann", k=3)
    assert names(answer) == ["2", "3", "4"]
    assert (answer.fallback, answer.ignored, answer.model_version, answer.request_id) == (None, 0, "v1", "r")
    assert answer.items[0].title == "Title 2"
    assert [round(item.score, 6) for item in answer.items] == [1.0, 0.0, 0.0]


def test_the_requests_history_comes_after_the_stored_one(answering: Answering) -> None:
    assert names(ask(answering, "ann", "item-7", "item-4", k=2)) == ["5", "2"]
    assert names(ask(answering, "ann", "item-4", "item-7", k=2)) == ["8", "2"]


def test_a_new_user_with_a_history(answering: Answering) -> None:
    answer = ask(answering, None, "item-6", k=1)
    assert (names(answer), answer.fallback) == (["7"], None)
    assert names(ask(answering, "stranger", "item-6", k=1)) == ["7"]


@pytest.mark.parametrize("user", [None, "stranger", "bob"])
def test_nothing_known_is_popularity(answering: Answering, user: str | None) -> None:
    answer = ask(answering, user, k=3)
    assert (names(answer), answer.fallback) == (["11", "9", "8"], "nothing_known")


def test_unknown_ids_are_ignored_and_counted(answering: Answering) -> None:
    answer = ask(answering, None, "nonsense", "item-6", "nonsense", *RESERVED, k=1)
    assert (names(answer), answer.ignored, answer.fallback) == (["7"], 4, None)
    only = ask(answering, None, "nonsense", k=1)
    assert (names(only), only.ignored, only.fallback) == (["11"], 1, "nothing_known")


def test_what_is_not_in_the_catalogue_is_read_but_not_recommended(answering: Answering) -> None:
    assert names(ask(answering, None, "item-10", k=1)) == ["11"]
    assert "10" not in names(ask(answering, None, "item-9", k=100))


def test_fewer_candidates_make_a_shorter_list(answering: Answering) -> None:
    seen = [f"item-{i}" for i in range(9)]
    assert names(ask(answering, None, *seen)) == ["9", "11"]
    everything = [f"item-{i}" for i in range(11, -1, -1)]
    answer = ask(answering, None, *everything)
    assert (answer.items, answer.fallback) == ([], None)


@pytest.mark.parametrize("k", [1, 5, 100])
def test_scores_that_are_no_numbers_are_popularity(answering: Answering, k: int) -> None:
    answer = ask(answering, "ann", "item-9", "item-11", k=k)
    assert answer.fallback == "model_failed"
    assert names(answer) == ["8", "7", "6", "5", "4", "3", "2"][:k]


def test_one_score_that_is_no_number_is_never_recommended(tiny_servable: Path, log: ExposureLog) -> None:
    whole = servable.read(tiny_servable)
    assert isinstance(whole.form, Tower)
    values = whole.form.vectors.values.copy()
    values[5] = np.nan
    vectors = replace(whole.form.vectors, values=values)
    answering = Answering(replace(whole, form=replace(whole.form, vectors=vectors)), version="v1", log=log)
    assert ask(answering, None, "item-6", k=100).fallback == "model_failed"
    assert ask(answering, None, "item-3", "item-6", k=3).fallback is None


@pytest.mark.parametrize("items", [3, 200])
def test_a_model_that_raises_is_popularity(
    tiny_servable: Path, log: ExposureLog, caplog: pytest.LogCaptureFixture, items: int
) -> None:
    """A form of too few items, or of too many: SciPy and numpy say ValueError."""
    vectors = Table(np.ones((items, 4), np.float32))
    form = Pooled(vectors, None, np.zeros(items, np.float32), 2.0, 10)
    answering = Answering(replace(servable.read(tiny_servable), form=form), version="v1", log=log)
    answer = ask(answering, "ann", "item-9", k=2)
    assert (names(answer), answer.fallback) == (["11", "8"], "model_failed")
    (entry,) = caplog.records
    assert "the model failed" in entry.message
    assert entry.exc_info is not None
    assert entry.exc_info[0] is ValueError
    assert ask(answering, None, k=1).fallback == "nothing_known"


def test_every_answer_is_logged_before_it_is_given(answering: Answering, log: ExposureLog) -> None:
    before = time.time()
    answer = answered(answering, Request("ann", ("item-4", "nonsense"), 2), request_id="r-1", before=1)
    (found,) = logged.records(log.folder)
    assert before <= found.time <= time.time()
    assert found.latency_ms > 1000
    assert found == Exposure(
        request_id="r-1",
        time=found.time,
        version="v1",
        user_id="ann",
        history=3,
        ignored=1,
        k=2,
        fallback=None,
        items=["item-5", "item-2"],
        positions=[1, 2],
        scores=[item.score for item in answer.items],
        latency_ms=found.latency_ms,
        popularity_rank=[6, 9],
    )


def test_a_clock_behind_the_stored_history_is_no_error(tiny_servable: Path, log: ExposureLog) -> None:
    whole = servable.read(tiny_servable)
    later = replace(whole.timelines, times=whole.timelines.times + 10**12)
    answering = Answering(replace(whole, timelines=later), version="v1", log=log)
    assert names(ask(answering, "ann", "item-4", k=1)) == ["5"]


def test_warming_up_logs_nothing(answering: Answering, log: ExposureLog) -> None:
    answering.warm_up()
    assert logged.records(log.folder) == []
