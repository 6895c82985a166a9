"""Answers that were given a moment ago, so that the same question is not computed twice.

The key is the whole request: user, history, length of the list and filter. A client that knows of a new event sends
another history, so what was answered before it is not found any more; what stays is short-lived, because some of what
a model reads is the time itself.
"""

from typing import Protocol

from cachetools import TTLCache

from serving.messages import Found, Request


class Cache(Protocol):
    """Keeps answers for a while."""

    async def get(self, request: Request) -> Found | None:
        """What was kept for this request; None when there is nothing, or it is too old."""
        ...

    async def put(self, request: Request, found: Found) -> None:
        """Keeps it."""
        ...

    async def close(self) -> None:
        """Ends its connections."""
        ...


class Nothing:
    """Keeps nothing."""

    async def get(self, request: Request) -> Found | None:  # noqa: ARG002  # as every cache
        """Nothing."""
        return None

    async def put(self, request: Request, found: Found) -> None:
        """Forgets it."""

    async def close(self) -> None:
        """There is nothing to end."""


class InProcess:
    """In this process, the least recently used first out."""

    def __init__(self, *, entries: int, seconds: int) -> None:
        self._kept: TTLCache[Request, Found] = TTLCache(entries, seconds)

    async def get(self, request: Request) -> Found | None:
        """See `Cache`."""
        return self._kept.get(request)

    async def put(self, request: Request, found: Found) -> None:
        """See `Cache`."""
        self._kept[request] = found

    async def close(self) -> None:
        """There is nothing to end."""


class Count(Protocol):
    """One series of a counter in the metrics."""

    def inc(self) -> None:
        """One more."""
        ...


class Counted:
    """Another cache, and how often it knew the answer."""

    def __init__(self, cache: Cache, *, hits: Count, misses: Count) -> None:
        self._cache, self._hits, self._misses = cache, hits, misses

    async def get(self, request: Request) -> Found | None:
        """See `Cache`."""
        found = await self._cache.get(request)
        (self._misses if found is None else self._hits).inc()
        return found

    async def put(self, request: Request, found: Found) -> None:
        """See `Cache`."""
        await self._cache.put(request, found)

    async def close(self) -> None:
        """See `Cache`."""
        await self._cache.close()
