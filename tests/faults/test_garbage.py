"""Two hundred and more requests that no client should send: each is refused, none is an error of ours."""

import http.client
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving import tiny

JSON = "application/json"
SEED = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tiny.Server]:
    folder = tmp_path_factory.mktemp("garbage")
    tiny.write(folder / "servable")
    environment = {"PODIUM_SERVABLE": str(folder / "servable"), "PODIUM_ACCESS_LOG": "true"}
    with tiny.serving("serving.service:Podium", folder, environment=environment) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def nothing_broke(server: tiny.Server) -> Iterator[None]:
    """After all tests: no error of ours in the log and none in the metrics."""
    yield
    log = server.log.read_text()
    assert "(status=422" in log, "the access log must be on, or the next line proves nothing"
    assert "(status=5" not in log
    assert "Traceback" not in log
    counts = [line for line in httpx.get(f"{server.url}/metrics").text.splitlines() if "request_total{" in line]
    assert any('code="422"' in line for line in counts)
    assert not [line for line in counts if 'code="5' in line and not line.endswith(" 0.0")]


def wrong_values() -> Iterator[bytes]:
    """Every field with every kind of value, most of them wrong."""
    values = [True, 1.5, -1, 0, 2**63, -(2**63), 2**64, 10**300, "", "x" * 257, "\0", "\U0001f600", [], {}, [None]]
    values += [[[]], [{}], [True], ["nonsense"] * 1001, ["item-1"] * 1000, ["<padding>", "<oov>"], [2**63]]
    for field in ("user_id", "history", "k", "filter", "unknown", "", "__proto__"):
        for value in values:
            yield json.dumps({field: value}).encode()


def broken_json() -> Iterator[bytes]:
    """What is not JSON, or only nearly."""
    yield from (b"", b"null", b"[]", b'"a"', b"1", b"{", b"}", b"{}{}", b"{} trailing", b"\0", b"\xff\xfe", b"NaN")
    yield from (b'{"k": NaN}', b'{"k": Infinity}', b'{"k": -Infinity}', b'{"k": 1e999}', b'{"k": 0x10}', b'{"k": 01}')
    yield from (b'{"user_id": "\xff"}', b'{"user_id": "\\ud800"}', b'{"user_id": "\\u0000"}', b"\xef\xbb\xbf{}")
    yield from (b'{"k": 1, "k": "a"}', b'{"k": "a", "k": 1}', b'{"user_id": ' + b"9" * 60_000 + b"}")
    yield from (b'{"history": ' + b"[" * 60_000, b'{"x": ' + b'{"x": ' * 10_000, b"[" * 60_000 + b"]" * 5_000)
    yield from (
        b"k=1&user_id=2",
        b"<?xml version='1.0'?>",
        b"\x80\x04\x95.",
        b'{"history": ["' + b"a" * 60_000 + b'"]}',
    )


def noise(count: int) -> Iterator[bytes]:
    """Valid requests with some bytes changed, cut or doubled."""
    rng = random.Random(SEED)
    valid = b'{"user_id": "ann", "history": ["item-1", 2, "item-3"], "k": 10}'
    for _ in range(count):
        body = bytearray(valid)
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(body))
            body[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 3))
        yield bytes(body)


def test_bodies(server: tiny.Server) -> None:
    bodies = [*wrong_values(), *broken_json(), *noise(100)]
    assert len(bodies) >= 200
    statuses = set()
    with httpx.Client(base_url=server.url) as client:
        for body in bodies:
            response = client.post("/recommend", content=body, headers={"Content-Type": JSON})
            statuses.add(response.status_code)
            assert response.status_code in (200, 400, 422), (body[:100], response.text)
            assert response.headers["Content-Type"] == JSON
            response.json()
    assert statuses == {200, 400, 422}
    assert_alive(server)


@pytest.mark.parametrize(
    "kind",
    ["", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "\xff", "j" * 5000],
)
def test_content_types(server: tiny.Server, kind: str) -> None:
    headers = {b"Content-Type": kind.encode("latin-1")}
    response = httpx.post(f"{server.url}/recommend", content=b"{}", headers=headers)
    assert response.status_code == 415
    assert_alive(server)


@pytest.mark.parametrize("size", [65_537, 1_000_000, 20_000_000])
def test_oversize_in_chunks_is_never_kept(server: tiny.Server, size: int) -> None:
    before = resident(server)
    chunks = (b" " * 10_000 for _ in range(size // 10_000 + 1))
    assert httpx.post(f"{server.url}/recommend", content=chunks, headers={"Content-Type": JSON}).status_code == 413
    assert resident(server) - before < 10_000
    assert_alive(server)


def test_lies_about_the_length(server: tiny.Server) -> None:
    for announced in ("-1", "99999999999999999999999", "1e3", "abc"):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
        connection.request("POST", "/recommend", b"{}", {"Content-Type": JSON, "Content-Length": announced})
        assert connection.getresponse().status in (400, 413), announced
        connection.close()
    assert_alive(server)


def test_paths_methods_and_request_ids(server: tiny.Server) -> None:
    lines = [
        b"POST /recommend/../recommend HTTP/1.1",
        b"POST /%ff%00 HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /docs HTTP/1.1",
    ]
    lines += [b"GET /openapi.json HTTP/1.1", b"PATCH /recommend HTTP/1.1", b"NONSENSE /recommend HTTP/1.1", b"\0\1\2"]
    lines += [b"POST /recommend?" + b"q" * 20_000 + b" HTTP/1.1", b"POST /recommend HTTP/1.1\r\nX-Request-ID: \xff"]
    for line in lines:
        head = (
            line + b"\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        )
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30) as connection:
            connection.sendall(head)
            status = connection.makefile("rb").readline().split(b" ")[1:2]
        assert status, line
        assert int(status[0]) < 500, line
    assert_alive(server)


def test_a_client_that_leaves_in_the_middle(server: tiny.Server) -> None:
    for _ in range(20):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
        connection.request("POST", "/recommend", b'{"k"', {"Content-Type": JSON, "Content-Length": "1000"})
        connection.close()
    assert_alive(server)


def assert_alive(server: tiny.Server) -> None:
    response = httpx.post(f"{server.url}/recommend", json={"user_id": "ann", "k": 1})
    assert [item["item_id"] for item in response.json()["items"]] == ["item-2"]


def resident(server: tiny.Server) -> int:
    """Resident memory of the worker in kB."""
    status = Path(f"/proc/{server.worker}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
