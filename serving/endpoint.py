"""POST /recommend over HTTP: limits first, then JSON, then the answer; every refusal says why.

A FastAPI application, because BentoML copies the paths of a mounted one into its own /docs.json. Its route takes the
raw request, so that a body is counted before it is read into memory and no JSON passes through pydantic.
"""

import re
import time
import uuid
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from serving import messages
from serving.answering import Answering
from serving.messages import Refusal, RequestError

REQUEST_ID: Final = "X-Request-ID"
JSON: Final = "application/json"
OWN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
NO_TELEMETRY: Final[Any] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

_encoder = msgspec.json.Encoder()


def application(*, max_body_bytes: int) -> FastAPI:
    """The application; `open_for` has to be called before its first request.

    Args:
        max_body_bytes: longer bodies are refused with 413, whether their length is announced or not.
    """
    app = FastAPI(title="Podium", openapi_url=None, docs_url=None, redoc_url=None, telemetry=NO_TELEMETRY)
    app.state.max_body_bytes = max_body_bytes
    app.add_api_route("/recommend", recommend, methods=["POST"], response_class=Response, **_description())
    return app


def open_for(app: FastAPI, answering: Answering) -> None:
    """Lets the application answer from now on."""
    app.state.answering = answering


async def recommend(request: Request) -> Response:
    """Recommends items to a user, from the stored history, the request's own, or both."""
    started = time.perf_counter()
    request_id = _request_id(request)
    try:
        _check_type(request)
        asked = messages.parse(await _body(request, request.app.state.max_body_bytes))
    except RequestError as error:
        return _response(error.status, Refusal(str(error), request_id), request_id)
    answering: Answering = request.app.state.answering
    return _response(HTTPStatus.OK, answering.answer(asked, request_id=request_id, started=started), request_id)


def _request_id(request: Request) -> str:
    given = request.headers.get(REQUEST_ID, "")
    return given if OWN_ID.fullmatch(given) else uuid.uuid4().hex


def _check_type(request: Request) -> None:
    received = request.headers.get("content-type", "")
    if received.partition(";")[0].strip().lower() != JSON:
        message = f"Content-Type must be {JSON}. Received: {received[:100]!r}"
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)


async def _body(request: Request, limit: int) -> bytes:
    """The body, never more than `limit` bytes and one network read of it in memory."""
    announced = request.headers.get("content-length", "0")
    too_large = RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body must have at most {limit} bytes")
    if announced.isdigit() and int(announced[:20]) > limit:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large
    except ClientDisconnect as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, "the connection ended before the body") from error
    return bytes(body)


def _response(status: int, message: messages.Answer | Refusal, request_id: str) -> Response:
    return Response(_encoder.encode(message), status, headers={REQUEST_ID: request_id}, media_type=JSON)


def _description() -> dict[str, Any]:
    """What /docs.json says about the endpoint, from the very types that check and encode the messages."""
    schemas = messages.schemas()
    content = {name: {JSON: {"schema": schema}} for name, schema in schemas.items()}
    refusals = {
        400: "The body is not JSON",
        413: "The body is too long",
        415: f"Content-Type is not {JSON}",
        422: "The body is JSON but not a request",
    }
    return {
        "operation_id": "recommend",
        "summary": "Recommend items to a user",
        "responses": {
            200: {"description": "Items, best first", "content": content["answer"]},
            **{status: {"description": text, "content": content["refusal"]} for status, text in refusals.items()},
        },
        "openapi_extra": {"requestBody": {"required": True, "content": content["request"]}},
    }
