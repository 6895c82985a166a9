"""Answers together what has arrived together.

A request waits for as many turns of the event loop as bring others, and for no time: alone it is answered alone, and
under load those that came meanwhile share one forward pass and one matrix product. There is no delay to be tuned.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class Batcher(Generic[Asked, Answered]):
    """For one event loop.

    Args:
        answer_all: answers several at once, in their order; what it raises, all of them raise.
        largest: of a batch; 1 answers each by itself.
    """

    def __init__(self, answer_all: Callable[[Sequence[Asked]], Sequence[Answered]], *, largest: int) -> None:
        if largest < 1:
            raise ValueError(f"largest must be at least 1. Received: {largest}")
        self._answer_all = answer_all
        self._largest = largest
        self._waiting: list[tuple[Asked, asyncio.Future[Answered]]] = []

    async def answer(self, asked: Asked) -> Answered:
        """The answer, once a turn of the loop has brought no further request."""
        if self._largest == 1:
            return self._answer_all([asked])[0]
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answered] = loop.create_future()
        self._waiting.append((asked, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._flush, 0)
        return await future

    def _flush(self, before: int) -> None:
        if before < len(self._waiting) < self._largest:
            asyncio.get_running_loop().call_soon(self._flush, len(self._waiting))
            return
        batch, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._flush, 0)
        # Whoever gave up in the meantime (a timeout, a closed connection) is not answered for.
        batch = [(asked, future) for asked, future in batch if not future.done()]
        if not batch:
            return
        try:
            answers = self._answer_all([asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001  # each of them raises it where it waits
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)
