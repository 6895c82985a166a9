import asyncio
import logging
import threading
import time
from collections.abc import Iterator

import pytest
from fakeredis import TcpFakeServer

from flows import processes
from serving.cache import Cache, Counted, InProcess, Nothing
from serving.messages import Filter, Found, Item, Request
from serving.shared_cache import Redis

FOUND = Found([Item("a", "Title", 0.5)], [3], 2, None, 1)
ASKED = Request("ann", ("x", "y"), 10)
OTHERS = [
    Request("bob", ("x", "y"), 10),
    Request("ann", ("x", "y", "z"), 10),
    Request("ann", ("y", "x"), 10),
    Request("ann", ("x", "y"), 9),
    Request("ann", ("x", "y"), 10, Filter(deny=("z",))),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server that speaks Redis' protocol, on loopback."""
    port = processes.port()
    server = TcpFakeServer(("127.0.0.1", port))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{port}/0"
    server.shutdown()
    server.server_close()
    thread.join()


def asked(cache: Cache, requests: list[Request], keep: bool) -> list[Found | None]:
    async def all_of_them() -> list[Found | None]:
        if keep:
            await cache.put(ASKED, FOUND)
        try:
            return [await cache.get(request) for request in requests]
        finally:
            await cache.close()

    return asyncio.run(all_of_them())


def test_the_same_question_finds_its_answer_and_no_other_does() -> None:
    cache = InProcess(entries=10, seconds=60)
    assert asked(cache, [ASKED], keep=False) == [None]
    assert asked(cache, [ASKED, *OTHERS], keep=True) == [FOUND, None, None, None, None, None]


def test_the_least_recently_used_goes_first() -> None:
    async def run() -> list[bool]:
        cache = InProcess(entries=2, seconds=60)
        first, second, third = OTHERS[:3]
        for request in (first, second):
            await cache.put(request, FOUND)
        await cache.get(first)
        await cache.put(third, FOUND)
        return [await cache.get(request) is not None for request in (first, second, third)]

    assert asyncio.run(run()) == [True, False, True]


def test_an_answer_expires() -> None:
    async def run() -> Found | None:
        cache = InProcess(entries=2, seconds=1)
        await cache.put(ASKED, FOUND)
        await asyncio.sleep(1.1)
        return await cache.get(ASKED)

    assert asyncio.run(run()) is None


def test_nothing_is_kept_where_nothing_is_to_be_kept() -> None:
    assert asked(Nothing(), [ASKED], keep=True) == [None]


class Tally:
    def __init__(self) -> None:
        self.value = 0

    def inc(self) -> None:
        self.value += 1


def test_hits_and_misses_are_counted() -> None:
    hits, misses = Tally(), Tally()
    asked(Counted(InProcess(entries=9, seconds=60), hits=hits, misses=misses), [ASKED, ASKED, OTHERS[0]], keep=True)
    assert (hits.value, misses.value) == (2, 1)


def test_redis_keeps_it_for_all_workers_of_a_version(address: str) -> None:
    assert asked(Redis(address, seconds=60, version="v1"), [ASKED, *OTHERS], keep=True) == [FOUND, *[None] * 5]
    assert asked(Redis(address, seconds=60, version="v1"), [ASKED], keep=False) == [FOUND]
    assert asked(Redis(address, seconds=60, version="v2"), [ASKED], keep=False) == [None]


def test_without_redis_there_is_an_answer_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    start = time.monotonic()
    cache = Redis(f"redis://127.0.0.1:{processes.port()}/0", seconds=60, version="v1")
    with caplog.at_level(logging.ERROR):
        assert asked(cache, [ASKED, *OTHERS], keep=True) == [None] * 6
    assert len(caplog.records) == 1
    assert "the cache in Redis does not work" in caplog.text
    assert time.monotonic() - start < 30, "it must give up and not wait for what is not there"
