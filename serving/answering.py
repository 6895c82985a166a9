"""From a request to an answer: what is known of the user, the model's list, or popularity when there is nothing to ask.

Stored history comes first and the request's after it, newest last. Neither is ever recommended again.
"""

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dataset.query import Ints, Longs, ask_all
from highest import NOTHING
from serving.exposure import Exposure, ExposureLog
from serving.filters import Filters, Mask
from serving.messages import MODEL_FAILED, NOTHING_KNOWN, Answer, Found, Item, Request
from serving.runtime import Runtime
from serving.servable import Servable

Listed = tuple[list[int], list[float]]
"""Items, best first, and their scores; plain numbers, because whatever comes next makes JSON of them."""

logger = logging.getLogger("bentoml.podium.answering")


class Question(NamedTuple):
    """A request and what is known of it."""

    request: Request
    items: Ints
    """[h] the history, in the order it was taken."""
    times: Longs
    """[h]"""
    moment: int
    """At or after all of them, seconds since 1970-01-01 UTC."""
    ignored: int
    """Ids of the request's history that the model does not know."""
    allowed: Mask | None
    """[items] what may be listed; None for everything."""
    request_id: str
    """Kept in the answer and in the log."""
    started: float
    """When the request arrived, by `time.perf_counter`; its latency counts from there."""


class Answering:
    """Answers from one servable, and logs every answer. For one thread."""

    def __init__(self, servable: Servable, *, version: str, log: ExposureLog) -> None:
        """Prepares the model.

        Args:
            servable: what to answer from.
            version: its digest.
            log: where every answer is recorded before it is sent.
        """
        self.version = version
        self._servable = servable
        self._runtime = Runtime(servable)
        self._filters = Filters(servable)
        self._log = log
        # Plain ints, because a record is encoded from them on every request.
        self._rank: list[int | None] = [None] * len(servable.vocabulary)
        for place, item in enumerate(servable.popular.tolist(), start=1):
            self._rank[item] = place
        self._starts: list[int] = servable.timelines.starts.tolist()

    def question(self, request: Request, request_id: str = "", started: float = 0.0) -> Question:
        """What there is to find.

        Args:
            request: from whom.
            request_id: see `Question`; only what is answered needs it.
            started: the same.

        Raises:
            serving.messages.RequestError: its filter names a category that no item has.
        """
        known = self._servable.vocabulary.known(request.history)
        items, times = self._stored(request.user_id)
        # A clock behind the stored history must not put that history into the future.
        moment = max(int(time.time()), int(times[-1])) if len(times) else int(time.time())
        if known:
            new, now = np.array(known, np.int32), np.full(len(known), moment, np.int64)
            items, times = (np.concatenate([items, new]), np.concatenate([times, now])) if len(items) else (new, now)
        ignored, allowed = len(request.history) - len(known), self._filters.mask(request.filter)
        return Question(request, items, times, moment, ignored, allowed, request_id, started)

    def find(self, questions: Sequence[Question]) -> list[Found]:
        """Up to `request.k` items for each; fewer when there are no more to recommend."""
        modelled = iter(self._modelled([question for question in questions if len(question.items)]))
        return [self._found(question, next(modelled) if len(question.items) else None) for question in questions]

    def answer_all(self, questions: Sequence[Question]) -> list[tuple[Found, Answer]]:
        """What was found and the answer, once all of them are in the log."""
        found = self.find(questions)
        exposures = [
            self._exposure(question.request, listed, question.request_id, question.started)
            for question, listed in zip(questions, found, strict=True)
        ]
        self._log.append(*exposures)
        return [
            (listed, self._answer(listed, question.request_id))
            for question, listed in zip(questions, found, strict=True)
        ]

    def again(self, request: Request, found: Found, request_id: str, started: float) -> Answer:
        """The answer to a request for which this was found before, once it is in the log."""
        self._log.append(self._exposure(request, found, request_id, started))
        return self._answer(found, request_id)

    def warm_up(self, rounds: int = 20, largest: int = 8) -> None:
        """Runs the model without logging, so that the first request is no slower than the others.

        A model that fails here is only logged, as it would be for a request.

        Args:
            rounds: so many times.
            largest: questions at a time, from one on.
        """
        some = [self._servable.vocabulary.ids[item] for item in np.flatnonzero(self._servable.catalogue)[:1]]
        if some:
            question = self.question(Request(None, tuple(some), 10))
            for count in range(rounds):
                self._modelled([question] * (count % largest + 1))

    def _answer(self, found: Found, request_id: str) -> Answer:
        return Answer(found.items, self.version, request_id, found.fallback, found.ignored)

    def _exposure(self, request: Request, found: Found, request_id: str, started: float) -> Exposure:
        return Exposure(
            request_id=request_id,
            time=time.time(),
            version=self.version,
            user_id=request.user_id,
            history=found.history,
            ignored=found.ignored,
            k=request.k,
            fallback=found.fallback,
            items=[item.item_id for item in found.items],
            positions=list(range(1, len(found.items) + 1)),
            scores=[item.score for item in found.items],
            latency_ms=(time.perf_counter() - started) * 1000,
            popularity_rank=found.popularity_rank,
        )

    def _stored(self, user_id: str | None) -> tuple[Ints, Longs]:
        lines = self._servable.timelines
        user = None if user_id is None else self._servable.users.get(user_id)
        start, end = (0, 0) if user is None else self._starts[user : user + 2]
        return lines.items[start:end], lines.times[start:end]

    def _modelled(self, asked: Sequence[Question]) -> list[Listed | None]:
        """The model's lists; None where a score is no number, or everywhere when it fails, whatever it raises."""
        if not asked:
            return []
        queries = ask_all([(question.items, question.times, question.moment) for question in asked])
        longest = max(question.request.k for question in asked)
        try:
            found = self._runtime.recommend(queries, longest, [question.allowed for question in asked])
        except Exception:  # a form is a library's kernel or numpy; neither says what all it may raise
            logger.exception("%s: the model failed; answering from popularity", self.version)
            return [None] * len(asked)
        if found.broken.any():
            logger.error("%s: the model's scores must be finite; answering from popularity", self.version)
        rows = zip(asked, found.items.tolist(), found.scores.tolist(), found.broken.tolist(), strict=True)
        return [
            None if broken else _first(items, scores, question.request.k) for question, items, scores, broken in rows
        ]

    def _popular(self, question: Question) -> Listed:
        popular = self._servable.popular
        left = ~np.isin(popular, question.items)
        if question.allowed is not None:
            left &= question.allowed[popular]
        items = popular[left][: question.request.k].tolist()
        return items, [0.0] * len(items)

    def _found(self, question: Question, modelled: Listed | None) -> Found:
        fallback = None
        if modelled is None:
            fallback = MODEL_FAILED if len(question.items) else NOTHING_KNOWN
        items, scores = self._popular(question) if modelled is None else modelled
        names, titles = self._servable.vocabulary.ids, self._servable.titles
        listed = [Item(names[item], titles[item], score) for item, score in zip(items, scores, strict=True)]
        ranks = [self._rank[item] for item in items]
        return Found(listed, ranks, len(question.items), fallback, question.ignored)


def _first(items: list[int], scores: list[float], k: int) -> Listed:
    """The first `k` of a row, or as many as there are before NOTHING."""
    end = min(k, items.index(NOTHING)) if items[-1] == NOTHING else k
    return items[:end], scores[:end]
