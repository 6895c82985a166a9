"""POST /recommend over ASGI: limits first, then JSON, then the answer; every refusal says why and is counted.

It speaks ASGI itself (https://asgi.readthedocs.io): of a request that is answered in a fraction of a millisecond, a
framework's request and response objects would be the larger part.
"""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from serving import messages
from serving.batching import Batcher
from serving.messages import MODEL_FAILED, Answer, Refusal, Request, RequestError

if TYPE_CHECKING:
    from serving.answering import Answering
    from serving.cache import Cache
    from serving.traffic import Traffic

PATH: Final = "/recommend"
REQUEST_ID: Final = b"x-request-id"
JSON: Final = b"application/json"
FAILED: Final = "a failure of ours; the endpoint's log has it under this request id"
OWN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

logger = logging.getLogger("bentoml.podium.handler")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PROCESS: Final = secrets.token_hex(8)
_numbers = itertools.count()
_encoder = msgspec.json.Encoder()


class Reply(NamedTuple):
    """What is sent back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Replying(Protocol):
    """What stands behind the shortcut."""

    async def counted_reply(self, scope: Scope, receive: Receive) -> Reply:
        """The reply to a request."""
        ...


class Handler:
    """Answers requests; `open_for` has to be called before the first one.

    Args:
        max_body_bytes: longer bodies are refused with 413, whether their length is announced or not.
        largest_batch: requests that are answered together at most.
    """

    def __init__(self, *, max_body_bytes: int, largest_batch: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._largest_batch = largest_batch

    def open_for(self, answering: "Answering", cache: "Cache", traffic: "Traffic") -> None:
        """Answers from now on."""
        self.traffic = traffic
        self._answering = answering
        self._cache = cache
        self._batcher = Batcher(answering.answer_all, largest=self._largest_batch)

    async def counted_reply(self, scope: Scope, receive: Receive) -> Reply:
        """The reply, counted; 429 where there are too many requests at the same time."""
        if self.traffic.full:
            busy = Refusal("too many requests at the same time; try again", new_id())
            return self.traffic.refused(_reply(HTTPStatus.TOO_MANY_REQUESTS, busy))
        return await self.traffic.counted(self.reply(scope, receive))

    async def reply(self, scope: Scope, receive: Receive) -> Reply:
        """Recommends items to a user, from the stored history, the request's own, or both."""
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        try:
            _check_type(headers)
            asked = messages.parse(await self._body(headers, receive))
            return _reply(HTTPStatus.OK, await self.answer(asked, request_id, started))
        except RequestError as error:
            return _reply(error.status, Refusal(str(error), request_id))

    async def answer(self, asked: Request, request_id: str, started: float) -> Answer:
        """The answer to a request that has been checked.

        Raises:
            RequestError: its filter makes no sense here.
        """
        found = await self._cache.get(asked)
        if found is not None:
            return self._answering.again(asked, found, request_id, started)
        question = self._answering.question(asked, request_id, started)
        found, answer = await self._batcher.answer(question)
        if found.fallback != MODEL_FAILED:
            await self._cache.put(asked, found)
        return answer

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The body, never more than the limit and one network read of it in memory."""
        limit = self._max_body_bytes
        announced = headers.get(b"content-length", b"0")
        too_large = RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body must have at most {limit} bytes")
        if announced.isdigit() and int(announced[:20]) > limit:
            raise too_large
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestError(HTTPStatus.BAD_REQUEST, "the connection ended before the body")
            body, more = body + message.get("body", b""), message.get("more_body", False)
            if len(body) > limit:
                raise too_large
        return body


class Shortcut:
    """Middleware that hands POST /recommend to a handler and everything else on.

    So that a recommendation passes BentoML's timeout, and no router behind it. The timeout ends when something is sent,
    not when something is raised, so a failure of ours is answered here, with 500.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], handler: Replying) -> None:
        self._app = app
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request, or whatever else ASGI has."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            reply = await self._handler.counted_reply(scope, receive)
        except Exception:
            request_id = _request_id(dict(scope["headers"]))
            logger.exception("request %s failed", request_id)
            reply = _reply(HTTPStatus.INTERNAL_SERVER_ERROR, Refusal(FAILED, request_id))
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body})


def new_id() -> str:
    """32 hexadecimal digits: half drawn once by this process, half counted, for no system call at each request."""
    return f"{_PROCESS}{next(_numbers):016x}"


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(REQUEST_ID, b"")
    return given.decode() if OWN_ID.fullmatch(given) else new_id()


def _check_type(headers: dict[bytes, bytes]) -> None:
    received = headers.get(b"content-type", b"")
    if received != JSON and received.partition(b";")[0].strip().lower() != JSON:
        message = f"Content-Type must be {JSON.decode()}. Received: {received[:100].decode('latin-1')!r}"
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)


def _reply(status: int, message: Answer | Refusal) -> Reply:
    body = _encoder.encode(message)
    headers = [
        (b"content-type", JSON),
        (b"content-length", str(len(body)).encode()),
        (REQUEST_ID, message.request_id.encode()),
    ]
    return Reply(status, headers, body)
