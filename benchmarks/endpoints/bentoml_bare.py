"""A limit: BentoML with all that can be switched off switched off, as Podium has it, and nothing behind it to compute.

PODIUM_BENCHMARK_ANSWER=answer.json bentoml serve benchmarks.endpoints.bentoml_bare:Bare
"""

import os
from http import HTTPStatus
from pathlib import Path
from typing import Final

import bentoml

from serving.handler import JSON, PATH, Receive, Reply, Scope, Shortcut

ANSWER: Final = Path(os.environ["PODIUM_BENCHMARK_ANSWER"]).read_bytes()
HEADERS: Final = [(b"content-type", JSON), (b"content-length", str(len(ANSWER)).encode())]


class Constant:
    """Reads the body and answers with the same bytes as ever."""

    async def counted_reply(self, scope: Scope, receive: Receive) -> Reply:  # noqa: ARG002  # as the handler has it
        """The reply, whoever asks."""
        while (await receive()).get("more_body", False):
            pass
        return Reply(HTTPStatus.OK, HEADERS, ANSWER)


@bentoml.service(
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": [PATH]},
    envs=[{"name": "OTEL_SDK_DISABLED", "value": "true"}],
)
class Bare:
    """Answers before any of its routes."""


Bare.add_asgi_middleware(Shortcut, handler=Constant())  # type: ignore[attr-defined]
