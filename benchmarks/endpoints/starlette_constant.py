"""The limit: Starlette on uvicorn, which reads a request and sends what it was told to send.

PODIUM_BENCHMARK_ANSWER=answer.json uvicorn benchmarks.endpoints.starlette_constant:app --no-access-log
"""

import os
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER: Final = Path(os.environ["PODIUM_BENCHMARK_ANSWER"]).read_bytes()


async def recommend(request: Request) -> Response:
    """Reads the body and answers with the same bytes as ever."""
    await request.body()
    return Response(ANSWER, media_type="application/json")


app = Starlette(routes=[Route("/recommend", recommend, methods=["POST"])])
