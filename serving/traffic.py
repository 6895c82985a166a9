"""How many recommendations were asked for, how they ended and how long they took; and never too many at a time.

The series are BentoML's own, name by name and label by label. Its middleware looks up five of them by their labels at
every request, and the Prometheus client asks the system at every change which process this is: a good part of so short
an answer's time. Here a series is looked up when it counts for the first time, the process is asked once, and what
happened is gathered and told to the series at most fifty times a second.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.registry import REGISTRY

NAMESPACE: Final = "bentoml_service"
SERVICE: Final = ("service_name", "service_version", "runner_name")
SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where all workers' counts lie; BentoML sets it."""
TOLD_AFTER: Final = 0.02
"""Seconds until the series know what happened: so short that what has gathered never delays an answer by much."""


class Ended(Protocol):
    """What a request came to."""

    @property
    def status(self) -> int:
        """Of HTTP."""
        ...


Reply = TypeVar("Reply", bound=Ended)


class Traffic:
    """Of one endpoint in one worker; for one event loop, and once for a registry."""

    def __init__(
        self, path: str, *, limit: int, name: str, version: str, registry: CollectorRegistry | None = None
    ) -> None:
        """Makes the series.

        Args:
            path: of the endpoint.
            limit: requests at the same time.
            name: of the service.
            version: of its bento.
            registry: where the series are known; the process' own when None.
        """
        if SHARED in os.environ:
            # A worker that serves is not forked any more.
            process = os.getpid()
            values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]
        self._limit, self._now = limit, 0
        self._registry = registry or REGISTRY
        self._service = (name, version, name)
        self._endpoint = (path, *self._service)
        endpoint = ("endpoint", *SERVICE)
        ended = (*endpoint, "http_response_code")
        self._total = Counter(f"{NAMESPACE}_request", "HTTP requests", ended, registry=self._registry)
        self._duration = Histogram(
            f"{NAMESPACE}_request_duration_seconds", "Their duration", ended, registry=self._registry
        )
        self._in_progress = Gauge(
            f"{NAMESPACE}_request_in_progress",
            "HTTP requests in progress",
            endpoint,
            registry=self._registry,
            multiprocess_mode="livesum",
        ).labels(*self._endpoint)
        self._last = Gauge(
            f"{NAMESPACE}_last_request_timestamp_seconds", "When the last one came", SERVICE, registry=self._registry
        ).labels(*self._service)
        self._ended: dict[int, tuple[Counter, Histogram]] = {}
        self._untold: defaultdict[int, list[float]] = defaultdict(list)
        self._came = 0.0
        self._telling: asyncio.TimerHandle | None = None
        for status in (HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR):  # a rate needs a 0 to start from
            self._of(status)

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self._now >= self._limit

    def refused(self, reply: Reply) -> Reply:
        """The same reply, once it has been counted as one that took no time."""
        self._came = time.time()
        self._count(reply.status, 0.0)
        return reply

    async def counted(self, answering: Awaitable[Reply]) -> Reply:
        """The same reply, once it has been counted: as 504 where it was called off, as 500 where it failed."""
        began, status = time.perf_counter(), int(HTTPStatus.INTERNAL_SERVER_ERROR)
        self._now += 1
        self._came = time.time()
        self._tell_soon()
        try:
            reply = await answering
        except asyncio.CancelledError:
            status = HTTPStatus.GATEWAY_TIMEOUT
            raise
        else:
            status = reply.status
            return reply
        finally:
            self._now -= 1
            self._count(status, time.perf_counter() - began)

    def tell(self) -> None:
        """What happened until now, to the series; in the event loop's thread."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        self._in_progress.set(self._now)
        self._last.set(self._came)
        for status, lasted in self._untold.items():
            total, duration = self._of(status)
            total.inc(len(lasted))
            for seconds in lasted:
                duration.observe(seconds)
        self._untold.clear()

    def exposition(self) -> tuple[bytes, str]:
        """All series of all workers in Prometheus' text format, and that format's content type; from any thread."""
        registry = self._registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def close(self) -> None:
        """This worker has nothing in progress any more."""
        self.tell()
        if SHARED in os.environ:
            multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]

    def _count(self, status: int, seconds: float) -> None:
        self._untold[status].append(seconds)
        self._tell_soon()

    def _tell_soon(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TOLD_AFTER, self.tell)

    def _of(self, status: int) -> tuple[Counter, Histogram]:
        if status not in self._ended:
            labels = (*self._endpoint, str(int(status)))
            self._ended[status] = self._total.labels(*labels), self._duration.labels(*labels)
        return self._ended[status]
