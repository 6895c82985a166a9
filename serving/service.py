"""The BentoML service: `bentoml serve podium:latest --host 127.0.0.1`, or this module with PODIUM_SERVABLE set.

It has no authentication, so it belongs on the loopback interface or behind a proxy that has.
"""

import gc
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bentoml
import msgspec
from bentoml.exceptions import InvalidArgument

from serving import cache, endpoint, messages, settings, version
from serving.exposure import ExposureLog
from serving.handler import PATH, Handler, Shortcut, new_id

if TYPE_CHECKING:
    from serving.traffic import Traffic

MODEL: Final = "podium:latest"

logger = logging.getLogger("bentoml.podium")
_settings = settings.read()
_handler = Handler(max_body_bytes=_settings.max_body_bytes, largest_batch=_settings.largest_batch)


# Spans nobody collects cost time on every request; set OTEL_SDK_DISABLED to false to have them.
@bentoml.service(
    name="podium",
    workers=_settings.workers,
    traffic={"timeout": _settings.timeout_seconds},
    metrics={"enabled": False},  # the same series, counted for less: see serving.traffic
    # BentoML's access log decodes the type as UTF-8, so that one wrong byte in it would break the connection.
    logging={"access": {"enabled": _settings.access_log, "request_content_type": False}},
    tracing={} if _settings.telemetry else {"excluded_urls": [PATH]},
    envs=[
        {"name": "OTEL_SDK_DISABLED", "value": "true"},
        # Products this small are faster on one thread, and the threads of a pool that wait take time from the others.
        {"name": "OPENBLAS_NUM_THREADS", "value": "1"},
    ],
)
@bentoml.asgi_app(endpoint.application(_handler))
class Podium:
    """Recommends items. POST a user id, a history of item ids, or both to /recommend."""

    if _settings.servable is None:
        # As a class attribute, so that `bentoml build` packs the model into the bento.
        model = bentoml.models.BentoModel(MODEL)

    def __init__(self) -> None:
        # Here and not above: the process that watches the workers reads this module too, and needs no model.
        from serving import servable
        from serving.answering import Answering

        served = self._version()
        self._log = ExposureLog(_settings.exposures.absolute())
        answering = Answering(servable.read(served.folder), version=served.digest, log=self._log)
        answering.warm_up()
        # What is loaded now stays; collecting only what requests leave behind keeps their tail short.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        self._traffic = self._counts()
        self._cache = self._cache_for(served.digest)
        _handler.open_for(answering, self._cache, self._traffic)
        logger.info("serving %s, exposures in %s", served.digest, self._log.folder)

    @bentoml.api(route=PATH)  # type: ignore[untyped-decorator]
    async def recommend(
        self,
        user_id: str | int | None = None,
        history: list[str | int] | None = None,
        k: int = 10,
        filter: dict[str, list[str | int]] | None = None,  # the request's own name
    ) -> dict[str, Any]:
        """Recommends items to a user; so that BentoML's clients, and callers in this process, know how to ask.

        Over HTTP the same path is answered before it comes here, see `serving.handler`.
        """
        given = {"user_id": user_id, "history": history, "k": k, "filter": filter}
        try:
            answer = await _handler.answer(messages.checked(given), new_id(), time.perf_counter())
        except messages.RequestError as error:
            raise InvalidArgument(str(error)) from error
        return dict(msgspec.to_builtins(answer))

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def settle() -> None:
        """Runs once, before the worker starts in the bento's own folder: relative places mean this directory."""
        settings.settle()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def close(self) -> None:
        """Flushes the exposure log, lets go of the cache and ends its part of the counts."""
        self._log.close()
        await self._cache.close()
        self._traffic.close()

    def _counts(self) -> "Traffic":
        # Its library looks for BentoML's folder of counts when it is imported, which only a worker has.
        from serving.traffic import Traffic

        context = bentoml.server_context
        return Traffic(PATH, limit=_settings.max_concurrency, name=context.service_name, version=context.bento_version)

    def _cache_for(self, version: str) -> cache.Cache:
        """Redis where there is one, else this process's memory, else nothing."""
        kept: cache.Cache
        if _settings.redis:
            from serving.shared_cache import Redis  # the client is needed nowhere else

            kept = Redis(_settings.redis, seconds=_settings.cache_seconds, version=version)
        elif _settings.cache_entries:
            kept = cache.InProcess(entries=_settings.cache_entries, seconds=_settings.cache_seconds)
        else:
            return cache.Nothing()
        from prometheus_client import Counter

        asked = Counter("podium_cache_requests", "Questions to the response cache", ["result"])
        return cache.Counted(kept, hits=asked.labels("hit"), misses=asked.labels("miss"))

    def _version(self) -> version.Version:
        if _settings.servable is not None:
            return version.of_folder(_settings.servable)
        # In a bento `latest` still means the newest of the store; the bento itself knows which model it was built with.
        bento = Podium.bento  # type: ignore[attr-defined]  # the decorator made Podium a bentoml.Service
        packed = [model.tag for model in bento.info.all_models] if bento else [MODEL]
        if len(packed) != 1:
            raise version.VersionError(
                f"a bento of Podium must hold one model. Received: {[str(tag) for tag in packed]}"
            )
        stored = bentoml.models.get(packed[0])
        return version.of_model(Path(stored.path), stored.info.labels.get(version.LABEL, ""))


Podium.add_asgi_middleware(Shortcut, handler=_handler)  # type: ignore[attr-defined]
