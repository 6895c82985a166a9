"""A failure of ours behind BentoML's timeout, which waits for something to be sent."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from prometheus_client import CollectorRegistry

from serving import cache, servable
from serving.answering import Answering
from serving.exposure import ExposureLog
from serving.handler import Handler, Receive, Scope, Send, Shortcut
from serving.traffic import Traffic

TIMEOUT_SECONDS = 30


async def nothing_else(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError(scope["path"])


@pytest.fixture
def app(tiny_servable: Path, tmp_path: Path, traffic: Traffic) -> Iterator[TimeoutMiddleware]:
    """Of a servable that has no titles, so that no list can be written out."""
    broken = replace(servable.read(tiny_servable), titles=[])
    log = ExposureLog(tmp_path / "exposures")
    handler = Handler(max_body_bytes=1000, largest_batch=16)
    handler.open_for(Answering(broken, version="v1", log=log), cache.Nothing(), traffic)
    yield TimeoutMiddleware(Shortcut(nothing_else, handler), timeout=TIMEOUT_SECONDS)
    log.close()


def test_a_failure_is_answered_before_any_timeout_and_logged_under_the_request_s_id(
    app: TimeoutMiddleware, traffic: Traffic, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    async def two() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://podium") as client:
            ids: list[dict[str, str]] = [{"X-Request-ID": "a-1"}, {}]
            replies = await asyncio.gather(*(client.post("/recommend", json={}, headers=given) for given in ids))
        traffic.tell()
        return replies

    named, unnamed = asyncio.run(two())
    for response in (named, unnamed):
        assert (response.status_code, response.headers["Content-Type"]) == (500, "application/json")
        assert "a failure of ours" in response.json()["error"]
        assert response.headers["X-Request-ID"] == response.json()["request_id"]
    assert named.json()["request_id"] == "a-1"
    failed = [entry for entry in caplog.records if entry.name == "bentoml.podium.handler"]
    assert [entry.message for entry in failed] == [
        f"request {response.json()['request_id']} failed" for response in (named, unnamed)
    ]
    assert all(entry.exc_info for entry in failed)
    labels = {"endpoint": "/recommend", "service_name": "podium", "service_version": "v1", "runner_name": "podium"}
    assert registry.get_sample_value("bentoml_service_request_total", labels | {"http_response_code": "500"}) == 2
