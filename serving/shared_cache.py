"""Answers kept in Redis, for all workers and machines that serve the same version; see `serving.cache`."""

import logging
import time
from typing import Final

import msgspec
import redis.asyncio

from serving.messages import Found, Request

COMPLAINT_SECONDS: Final = 60.0
TIMEOUT_SECONDS: Final = 0.05
"""To wait longer is not worth the computation that it saves."""

logger = logging.getLogger("bentoml.podium.cache")


class Redis:
    """It can fail; no request fails with it.

    Args:
        url: redis://host:port/database
        seconds: how long it keeps an answer.
        version: of the model; another one's answers are never found.
    """

    def __init__(self, url: str, *, seconds: int, version: str) -> None:
        self._client = redis.asyncio.Redis.from_url(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        self._seconds = seconds
        self._version = version.encode()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Found)
        self._complained = -COMPLAINT_SECONDS

    async def get(self, request: Request) -> Found | None:
        """See `Cache`."""
        try:
            kept = await self._client.get(self._key(request))
            return self._decoder.decode(kept) if isinstance(kept, bytes) else None
        except (redis.RedisError, OSError, msgspec.DecodeError) as error:
            self._complain(error)
            return None

    async def put(self, request: Request, found: Found) -> None:
        """See `Cache`."""
        try:
            await self._client.set(self._key(request), self._encoder.encode(found), ex=self._seconds)
        except (redis.RedisError, OSError) as error:
            self._complain(error)

    async def close(self) -> None:
        """See `Cache`."""
        await self._client.aclose()

    def _key(self, request: Request) -> bytes:
        return b"podium:" + self._version + b":" + self._encoder.encode(request)

    def _complain(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._complained >= COMPLAINT_SECONDS:
            self._complained = now
            logger.error("the cache in Redis does not work; answering without it: %s: %s", type(error).__name__, error)
