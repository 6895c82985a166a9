"""HTTP/1.1 requests over kept connections, from prebuilt bytes: a closed loop and an open loop.

closed   each connection sends its next request when it has its answer: what a server can do at most
open     requests are due at a fixed rate whether or not the server keeps up; a request that finds no free connection
         waits, and its latency counts from the moment at which it was due. In a closed loop a stall of the server also
         stops the load, so that as few requests as there are connections see it (coordinated omission).

Whatever is not answered with status 200 is an error, counted by its reason, and has no latency. Requests that were due
or sent during the warm-up are not counted at all; all others are waited for.
"""

import asyncio
import selectors
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import uvloop

OK: Final = 200
UNANSWERED: Final = "no answer in time"
CLOSED: Final = "connection closed"
REFUSED: Final = "no connection"
RETRY_SECONDS: Final = 0.05


class TargetError(ValueError):
    """An address that cannot be asked; the message says what is expected."""


@dataclass(frozen=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> "Target":
        """Reads a URL.

        Raises:
            TargetError: it is not `http://host[:port]/path`.
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise TargetError(f"the address must be http://host:port/path. Received: {url!r}")
        return cls(parts.hostname, parts.port or 80, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))

    def post(self, body: bytes) -> bytes:
        """The bytes of a request with a JSON body."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


@dataclass
class Record:
    """What was measured, exactly: no request is summed into a bucket."""

    begun: "array[float]" = field(default_factory=lambda: array("d"))
    """When each answered request was sent (closed) or due (open), seconds after the warm-up."""
    latency: "array[float]" = field(default_factory=lambda: array("f"))
    """Seconds from then to the last byte of its answer."""
    late: "array[float]" = field(default_factory=lambda: array("f"))
    """Open loop: seconds by which the generator itself was late to send what was due while a connection was free."""
    errors: Counter[str] = field(default_factory=Counter)
    cpu_seconds: float = 0.0
    """Of the generator, during the measurement."""


@dataclass(frozen=True)
class Schedule:
    """How long, how many at a time, and how often."""

    connections: int
    warm_up: float
    seconds: float
    rate: float | None
    """Requests a second; None is the closed loop."""
    timeout: float
    """Seconds after the end for which answers are waited for."""


def send(target: Target, requests: Sequence[bytes], schedule: Schedule) -> Record:
    """Sends `requests`, over and over, and returns what came of them.

    Args:
        target: where to.
        requests: bodies, taken in turn.
        schedule: the load.
    """
    # Only select() waits with microseconds; epoll, under uvloop too, would send up to a millisecond after it was due.
    loop = uvloop.new_event_loop() if schedule.rate is None else asyncio.SelectorEventLoop(selectors.SelectSelector())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_Load(target, [target.post(body) for body in requests], schedule).run())


class _Load:
    """One run; its connections call `ready` when they can send and `done` or `failed` when a request has ended."""

    def __init__(self, target: Target, requests: list[bytes], schedule: Schedule) -> None:
        self.target, self.schedule, self.record = target, schedule, Record()
        self._requests, self._connections = cycle(requests), [_Connection(self) for _ in range(schedule.connections)]
        self._free: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Record:
        """The whole run: warm-up, measurement, and the wait for what is still out."""
        plan = self.schedule
        self._start = time.perf_counter() + plan.warm_up
        self._end = self._start + plan.seconds
        for connection in self._connections:
            self.connect(connection)
        if plan.rate is not None:
            self._tasks.add(asyncio.create_task(self._arrivals(plan.rate)))
        await asyncio.sleep(plan.warm_up)
        cpu = time.process_time()
        await asyncio.sleep(max(self._end - time.perf_counter(), 0))
        self.record.cpu_seconds = time.process_time() - cpu
        await self._drain()
        return self.record

    def connect(self, connection: "_Connection") -> None:
        """Opens a connection, again and again until it is there."""
        task = asyncio.get_running_loop().create_task(self._connect(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ready(self, connection: "_Connection") -> None:
        """A connection can send."""
        if self.schedule.rate is None:
            if not self._stopped and (now := time.perf_counter()) < self._end:
                connection.send(next(self._requests), now)
        elif self._due:
            connection.send(next(self._requests), self._due.popleft())
        else:
            self._free.append(connection)

    def gone(self, connection: "_Connection") -> None:
        """A connection is no longer there."""
        if connection in self._free:
            self._free.remove(connection)
        self.connect(connection)

    def done(self, begun: float, status: int) -> None:
        """A request was answered."""
        if status != OK:
            self.failed(begun, f"status {status}")
        elif begun >= self._start:
            self.record.begun.append(begun - self._start)
            self.record.latency.append(time.perf_counter() - begun)

    def failed(self, begun: float, reason: str) -> None:
        """A request was not answered, or not with 200."""
        if begun >= self._start:
            self.record.errors[reason] += 1

    async def _connect(self, connection: "_Connection") -> None:
        loop = asyncio.get_running_loop()
        while not self._stopped:
            try:
                await loop.create_connection(lambda: connection, self.target.host, self.target.port)
            except OSError:
                self.failed(time.perf_counter(), REFUSED)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _arrivals(self, rate: float) -> None:
        """Lets each request become due at its time, counted from the start so that no error adds up."""
        first = time.perf_counter()
        count = 0
        while (due := first + count / rate) < self._end:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            count += 1
            if self._free:
                if due >= self._start:
                    self.record.late.append(time.perf_counter() - due)
                self._free.popleft().send(next(self._requests), due)
            else:
                self._due.append(due)

    async def _drain(self) -> None:
        deadline = time.perf_counter() + self.schedule.timeout
        while time.perf_counter() < deadline and (self._due or any(one.begun for one in self._connections)):
            await asyncio.sleep(0.01)
        self._stopped = True
        for begun in (*self._due, *(one.begun for one in self._connections if one.begun)):
            self.failed(begun, UNANSWERED)
        for connection in self._connections:
            connection.abandon()
        for task in self._tasks:
            task.cancel()


class _Connection(asyncio.Protocol):
    """One kept connection with at most one request out."""

    begun: float = 0.0
    """When that request was sent or due; 0 when there is none."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport, self._parser = cast(asyncio.Transport, transport), httptools.HttpResponseParser(self)
        self._load.ready(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._lost("answer is not HTTP")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost(CLOSED)

    def on_message_complete(self) -> None:
        """Called by the parser at the last byte of an answer."""
        begun, self.begun = self.begun, 0.0
        status, kept = self._parser.get_status_code(), self._parser.should_keep_alive()
        if status < OK:  # such as 100 Continue: the answer is still to come
            self.begun = begun
            return
        self._load.done(begun, status)
        if kept:
            self._load.ready(self)
        else:
            self._lost(CLOSED)

    def send(self, request: bytes, begun: float) -> None:
        """Sends a request whose latency counts from `begun`."""
        assert self._transport is not None
        self.begun = begun
        self._transport.write(request)

    def abandon(self) -> None:
        """Closes the connection; whatever is out is no longer counted."""
        self.begun, transport, self._transport = 0.0, self._transport, None
        if transport:
            transport.abort()

    def _lost(self, reason: str) -> None:
        """Counts what was out as an error and opens the connection anew."""
        begun, known = self.begun, self._transport is not None
        self.abandon()
        if begun:
            self._load.failed(begun, reason)
        if known:
            self._load.gone(self)
