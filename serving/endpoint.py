"""The endpoint as a FastAPI application, because BentoML copies the paths of a mounted one into its own /docs.json.

In BentoML `serving.handler.Shortcut` answers before it; by itself its route takes the raw request, so that no JSON
passes through pydantic.
"""

from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from serving import messages
from serving.handler import JSON, PATH, Handler

METRICS: Final = "/metrics"
NO_TELEMETRY: Final[Any] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def application(handler: Handler) -> FastAPI:
    """The application around a handler."""

    async def recommend(request: Request) -> Response:
        """Recommends items to a user, from the stored history, the request's own, or both."""
        reply = await handler.reply(request.scope, request.receive)
        response = Response(reply.body, reply.status)
        response.raw_headers = reply.headers
        return response

    async def metrics() -> Response:
        """Counts and durations of recommendations, of all workers."""
        handler.traffic.tell()
        body, kind = await run_in_threadpool(handler.traffic.exposition)
        return Response(body, media_type=kind)

    app = FastAPI(title="Podium", openapi_url=None, docs_url=None, redoc_url=None, telemetry=NO_TELEMETRY)
    app.add_api_route(PATH, recommend, methods=["POST"], response_class=Response, **_description())
    app.add_api_route(METRICS, metrics, methods=["GET"], response_class=Response, include_in_schema=False)
    return app


def _description() -> dict[str, Any]:
    """What /docs.json says about the endpoint, from the very types that check and encode the messages."""
    schemas = messages.schemas()
    content = {name: {JSON.decode(): {"schema": schema}} for name, schema in schemas.items()}
    refusals = {
        400: "The body is not JSON",
        413: "The body is too long",
        415: f"Content-Type is not {JSON.decode()}",
        422: "The body is JSON but not a request",
        429: "Too many requests at the same time",
        500: "A failure of ours; the endpoint's log has it under the request id",
    }
    return {
        "operation_id": "recommend",
        "summary": "Recommend items to a user",
        "responses": {
            200: {"description": "Items, best first", "content": content["answer"]},
            **{status: {"description": text, "content": content["refusal"]} for status, text in refusals.items()},
            504: {"description": "Not answered in time; said by BentoML, without a request id"},
        },
        "openapi_extra": {"requestBody": {"required": True, "content": content["request"]}},
    }
