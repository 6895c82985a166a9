"""What the endpoint does when there is too much to do, or nothing comes."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving import tiny
from tests.serving.tiny import Server

HEAD = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


@pytest.fixture(scope="module")
def server(tiny_servable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = {"PODIUM_SERVABLE": str(tiny_servable), "PODIUM_MAX_CONCURRENCY": "1", "PODIUM_TIMEOUT_SECONDS": "2"}
    with tiny.serving("serving.service:Podium", tmp_path_factory.mktemp("limits"), environment=limits) as running:
        yield running


def test_a_request_too_many_and_one_whose_body_never_comes(server: Server) -> None:
    """The one that waits for its body is in progress until it has taken too long."""
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port), timeout=30) as waiting:
        waiting.sendall(HEAD)
        refused = httpx.post(f"{server.url}/recommend", json={})
        assert (refused.status_code, refused.json()["error"]) == (429, "too many requests at the same time; try again")
        assert httpx.get(f"{server.url}/livez").status_code == 200
        assert waiting.recv(65_536).startswith(b"HTTP/1.1 504 ")
    assert httpx.post(f"{server.url}/recommend", json={}).status_code == 200
    counted = [line for line in httpx.get(f"{server.url}/metrics").text.splitlines() if "request_total{" in line]
    for status in (429, 504):
        (line,) = (line for line in counted if f'code="{status}"' in line)
        assert line.endswith(" 1.0")
