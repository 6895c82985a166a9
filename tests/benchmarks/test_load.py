"""The generator against small servers of known behaviour. Nothing is said about how fast the machine is."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from benchmarks import load
from benchmarks.traffic import CLOSED, REFUSED, UNANSWERED, Schedule, Target, TargetError, send
from flows import processes

ROOT = Path(__file__).parents[2]
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
CHUNKED = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{", b"}\r\n0\r\n\r\n")
STALL_SECONDS = 0.2

Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers request number n as it is told; remembers the bodies."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.bodies: list[bytes] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                await self._answer(len(self.bodies) - 1, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[Target, Server]]:
    """A server in a thread of its own."""
    server, port, started = Server(answer), processes.port(), threading.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with await asyncio.start_server(server.connected, "127.0.0.1", port):
            started.set()
            await stopped.wait()
            connections = asyncio.all_tasks() - {asyncio.current_task()}
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections)

    stopped = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert started.wait(10)
    try:
        yield Target("127.0.0.1", port, "/recommend"), server
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


async def good(_: int, writer: asyncio.StreamWriter) -> None:
    writer.write(GOOD)


def schedule(*, rate: float | None = None, connections: int = 2, seconds: float = 0.5, warm_up: float = 0) -> Schedule:
    return Schedule(connections, warm_up, seconds, rate, timeout=1.0)


def test_every_request_is_counted_and_bodies_are_taken_in_turn() -> None:
    with serving(good) as (target, server):
        record = send(target, [b'{"k":1}', b'{"k":22}'], schedule())
    assert len(record.latency) == len(record.begun) == len(server.bodies) > 10
    assert not record.errors
    assert server.bodies[:2] == [b'{"k":1}', b'{"k":22}']
    assert abs(server.bodies.count(b'{"k":1}') - server.bodies.count(b'{"k":22}')) <= 1


def test_an_open_loop_sends_what_is_due_and_no_more() -> None:
    with serving(good) as (target, server):
        record = send(target, [b"{}"], schedule(rate=200))
    assert len(record.latency) == len(server.bodies) == 100
    assert np.diff(sorted(record.begun)) == pytest.approx(np.full(99, 1 / 200))


@pytest.mark.parametrize("rate", [None, 100.0])
def test_the_warm_up_is_left_out(rate: float | None) -> None:
    with serving(good) as (target, server):
        record = send(target, [b"{}"], schedule(rate=rate, warm_up=0.3, seconds=0.3))
    assert 0 < len(record.latency) < len(server.bodies)
    assert min(record.begun) >= 0
    assert max(record.begun) < 0.3


@pytest.mark.parametrize("rate", [None, 200.0])
def test_every_status_but_200_is_an_error(rate: float | None) -> None:
    async def every_fourth_is_refused(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(BUSY if number % 4 == 3 else GOOD)

    with serving(every_fourth_is_refused) as (target, server):
        record = send(target, [b"{}"], schedule(rate=rate))
    assert record.errors == {"status 429": len(server.bodies) // 4}
    assert len(record.latency) == len(server.bodies) - len(server.bodies) // 4


def test_an_answer_in_pieces_is_one_answer() -> None:
    async def in_pieces(_: int, writer: asyncio.StreamWriter) -> None:
        for piece in CHUNKED:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)

    with serving(in_pieces) as (target, server):
        record = send(target, [b"{}"], schedule())
    assert len(record.latency) == len(server.bodies) > 10
    assert not record.errors


@pytest.mark.parametrize("rate", [None, 100.0])
def test_a_connection_that_is_closed_is_an_error_and_is_opened_anew(rate: float | None) -> None:
    async def every_tenth_hangs_up(number: int, writer: asyncio.StreamWriter) -> None:
        if number % 10 == 9:
            raise ConnectionError
        writer.write(GOOD)

    with serving(every_tenth_hangs_up) as (target, server):
        record = send(target, [b"{}"], schedule(rate=rate))
    assert len(server.bodies) >= 20
    assert record.errors == {CLOSED: len(server.bodies) // 10}


def test_a_server_that_closes_after_each_answer_is_no_error() -> None:
    async def polite(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    with serving(polite) as (target, server):
        record = send(target, [b"{}"], schedule())
    assert len(record.latency) == len(server.bodies) > 10
    assert not record.errors


def test_what_is_never_answered_is_an_error() -> None:
    async def only_the_first(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 0:
            writer.write(GOOD)

    with serving(only_the_first) as (target, _):
        record = send(target, [b"{}"], schedule(rate=20, connections=1))
    assert len(record.latency) == 1
    assert record.errors == {UNANSWERED: 9}


def test_nobody_listens() -> None:
    record = send(Target("127.0.0.1", processes.port(), "/"), [b"{}"], schedule(connections=1))
    assert set(record.errors) == {REFUSED}
    assert len(record.latency) == 0


def stalling() -> Answer:
    """Blocks the whole server once, for all connections."""

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 20:
            time.sleep(STALL_SECONDS)
        writer.write(GOOD)

    return answer


def test_a_stall_counts_for_all_that_were_due_in_it() -> None:
    """At 100 a second some 20 requests are due in .2 s; no matter that there are 2 connections."""
    with serving(stalling()) as (target, _):
        record = send(target, [b"{}"], schedule(rate=100, seconds=1))
    found = load.summary(record, 1)
    assert found.requests == 100
    assert found.p99_ms >= 0.8 * STALL_SECONDS * 1000
    assert (np.array(record.latency) >= STALL_SECONDS / 2).sum() >= 8


def test_a_closed_loop_hides_it() -> None:
    """The control: as few requests as there are connections see the stall."""
    with serving(stalling()) as (target, _):
        record = send(target, [b"{}"], schedule(seconds=1))
    assert (np.array(record.latency) >= STALL_SECONDS / 2).sum() < 8


def test_the_command_prints_json_and_keeps_samples(tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    requests.write_bytes(b'{"k":1}\n\n{"k":2}\n')
    kept = tmp_path / "samples.npy"
    with serving(good) as (target, server):
        url = f"http://127.0.0.1:{target.port}/recommend"
        found = load.apart(url, requests, schedule(), samples=kept)
    assert set(server.bodies) == {b'{"k":1}', b'{"k":2}'}
    assert found.requests == len(server.bodies) == np.load(kept).shape[1]
    assert found.per_second == 2 * found.requests
    assert found.p50_ms <= found.p99_ms <= found.max_ms


def test_the_command_ends_with_1_after_an_error(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{processes.port()}/"
    command = [sys.executable, "-m", "benchmarks.load", url, "--seconds", "0.2", "--warm-up", "0", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert done.returncode == 1
    assert REFUSED in json.loads(done.stdout)["errors"]


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "https://127.0.0.1/recommend", "http://"])
def test_an_address_that_cannot_be_asked(url: str) -> None:
    with pytest.raises(TargetError, match="Received"):
        Target.of(url)


def test_a_file_without_requests(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n\n")
    with pytest.raises(load.RequestsError, match="no line"):
        load.read_bodies(tmp_path / "empty")


@pytest.mark.parametrize(
    "option", [["--connections", "0"], ["--rate", "0"], ["--seconds", "-1"], ["--rate", "9", "--connections", "1001"]]
)
def test_impossible_loads_are_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        load.main(["http://127.0.0.1:1/", *option])
    assert "Received" in capsys.readouterr().err
