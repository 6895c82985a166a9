"""From a request to an answer: what is known of the user, the model's list, or popularity when there is nothing to ask.

Stored history comes first and the request's after it, newest last. Neither is ever recommended again.
"""

import logging
import time
from typing import Final

import numpy as np
import numpy.typing as npt

from dataset.query import Ints, Longs, Queries, ask
from dataset.vocabulary import OOV
from serving.exposure import Exposure, ExposureLog
from serving.messages import Answer, Item, Request
from serving.runtime import Runtime
from serving.servable import Servable

NOTHING_KNOWN: Final = "nothing_known"
MODEL_FAILED: Final = "model_failed"

logger = logging.getLogger("bentoml.podium.answering")


class Answering:
    """Answers requests from one servable and logs every answer. For one thread."""

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
        self._log = log
        # Plain ints, because a record is encoded from them on every request.
        self._rank: dict[int, int] = {int(item): place for place, item in enumerate(servable.popular, start=1)}

    def answer(self, request: Request, *, request_id: str, started: float) -> Answer:
        """Recommends up to `request.k` items; fewer when there are no more to recommend.

        Args:
            request: whom and how many.
            request_id: kept in the answer and in the log.
            started: when the request arrived, by `time.perf_counter`; its latency counts from there.
        """
        query, ignored = self._query(request, int(time.time()))
        fallback = None if query.end[0] else NOTHING_KNOWN
        items, scores = self._modelled(query, request.k) if fallback is None else (None, None)
        if items is None or scores is None:
            fallback = fallback or MODEL_FAILED
            items, scores = self._popular(query, request.k)
        answer = Answer(self._listed(items, scores), self.version, request_id, fallback, ignored)
        self._record(request, answer, items, history=int(query.end[0]), started=started)
        return answer

    def warm_up(self, rounds: int = 20) -> None:
        """Runs the model without logging, so that the first request is no slower than the others.

        A model that fails here is only logged, as it would be for a request.
        """
        some = np.flatnonzero(self._servable.catalogue)[:1].astype(np.int32)
        for _ in range(rounds):
            self._modelled(ask(some, np.zeros(len(some), np.int64), int(time.time())), 10)

    def _query(self, request: Request, now: int) -> tuple[Queries, int]:
        """The question to the model, and how many ids of the request's history it leaves out."""
        asked = self._servable.vocabulary.index(request.history)
        known = asked[asked > OOV]
        stored, times = self._stored(request.user_id)
        # A clock behind the stored history must not put that history into the future.
        moment = max(now, int(times[-1])) if len(times) else now
        times = np.concatenate([times, np.full(len(known), moment, np.int64)])
        return ask(np.concatenate([stored, known]), times, moment), len(asked) - len(known)

    def _stored(self, user_id: str | None) -> tuple[Ints, Longs]:
        lines = self._servable.timelines
        user = None if user_id is None else self._servable.users.get(user_id)
        start, end = (0, 0) if user is None else lines.starts[user : user + 2]
        return lines.items[start:end], lines.times[start:end]

    def _modelled(self, query: Queries, k: int) -> tuple[Ints, npt.NDArray[np.float32]] | tuple[None, None]:
        """The model's list, or nothing when its scores are no numbers."""
        try:
            items, scores = (row[0] for row in self._runtime.recommend(query, k))
        except RuntimeError:
            logger.exception("%s: the query tower failed; answering from popularity", self.version)
            return None, None
        found = items >= 0
        # Where no score is a number the list is too short, or holds them.
        if found.sum() < min(k, self._candidates(query)) or not np.isfinite(scores[found]).all():
            logger.error("%s: the model's scores must be finite; answering from popularity", self.version)
            return None, None
        return items[found], scores[found]

    def _candidates(self, query: Queries) -> int:
        catalogue = self._servable.catalogue
        seen = np.unique(query.seen()[1])
        return int(catalogue.sum() - catalogue[seen].sum())

    def _popular(self, query: Queries, k: int) -> tuple[Ints, npt.NDArray[np.float32]]:
        popular = self._servable.popular
        items = popular[~np.isin(popular, query.seen()[1])][:k]
        return items, np.zeros(len(items), np.float32)

    def _listed(self, items: Ints, scores: npt.NDArray[np.float32]) -> list[Item]:
        names, titles = self._servable.vocabulary.ids, self._servable.titles
        pairs = zip(items.tolist(), scores.tolist(), strict=True)
        return [Item(names[item], titles[item], score) for item, score in pairs]

    def _record(self, request: Request, answer: Answer, items: Ints, *, history: int, started: float) -> None:
        self._log.append(
            Exposure(
                request_id=answer.request_id,
                time=time.time(),
                version=answer.model_version,
                user_id=request.user_id,
                history=history,
                ignored=answer.ignored,
                k=request.k,
                fallback=answer.fallback,
                items=[item.item_id for item in answer.items],
                positions=list(range(1, len(answer.items) + 1)),
                scores=[item.score for item in answer.items],
                latency_ms=(time.perf_counter() - started) * 1000,
                popularity_rank=[self._rank.get(item) for item in items.tolist()],
            )
        )
