"""The endpoint's limits and places, read from the environment once, at start. No params.yaml is needed to serve.

    PODIUM_SERVABLE         a servable's folder to serve instead of the model in BentoML's store, for development
    PODIUM_EXPOSURES        folder of the exposure log, relative to where serving starts    (artifacts/exposures)
    PODIUM_MAX_BODY_BYTES   longer request bodies are refused with 413                      (65536)
    PODIUM_MAX_CONCURRENCY  requests at the same time in each worker; further ones get 429  (64)
    PODIUM_WORKERS          processes that answer, each with the model in its memory         (1)
    PODIUM_LARGEST_BATCH    requests that are answered together at most; 1 for each alone   (16)
    PODIUM_CACHE_ENTRIES    answers that are kept in memory for who asks again; 0 for none   (4096)
    PODIUM_CACHE_SECONDS    how long an answer is kept                                       (30)
    PODIUM_REDIS            redis://host:port/0: they are kept there, for all workers        ()
    PODIUM_ACCESS_LOG       true: BentoML's line for each request; the exposure log has them     (false)
    OTEL_SDK_DISABLED       false: OpenTelemetry's spans and metrics of each request             (true)
    PODIUM_TIMEOUT_SECONDS  a request not answered by then ends with 504                    (5)

The defaults are those of params.yaml's sections `serve` and `paths`.
"""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(ValueError):
    """An environment variable has a value that cannot be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """What may differ between two places that serve the same bento."""

    servable: Path | None
    exposures: Path
    max_body_bytes: int
    max_concurrency: int
    timeout_seconds: int
    workers: int
    largest_batch: int
    cache_entries: int
    cache_seconds: int
    redis: str
    access_log: bool
    telemetry: bool


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Reads the settings.

    Raises:
        SettingsError: a limit is not a whole number above 0.
    """
    servable = environment.get("PODIUM_SERVABLE", "")
    return Settings(
        servable=Path(servable) if servable else None,
        exposures=Path(environment.get("PODIUM_EXPOSURES", "") or "artifacts/exposures"),
        max_body_bytes=_limit(environment, "PODIUM_MAX_BODY_BYTES", 65_536),
        max_concurrency=_limit(environment, "PODIUM_MAX_CONCURRENCY", 64),
        timeout_seconds=_limit(environment, "PODIUM_TIMEOUT_SECONDS", 5),
        workers=_limit(environment, "PODIUM_WORKERS", 1),
        largest_batch=_limit(environment, "PODIUM_LARGEST_BATCH", 16),
        cache_entries=_limit(environment, "PODIUM_CACHE_ENTRIES", 4096, least=0),
        cache_seconds=_limit(environment, "PODIUM_CACHE_SECONDS", 30),
        redis=environment.get("PODIUM_REDIS", ""),
        access_log=_switch(environment, "PODIUM_ACCESS_LOG", default=False),
        telemetry=not _switch(environment, "OTEL_SDK_DISABLED", default=True),
    )


def settle(environment: MutableMapping[str, str] = os.environ) -> None:
    """Makes the places absolute for the processes started from now on, which may run in another directory.

    Raises:
        SettingsError: as `read`.
    """
    settings = read(environment)
    environment["PODIUM_EXPOSURES"] = str(settings.exposures.absolute())
    if settings.servable is not None:
        environment["PODIUM_SERVABLE"] = str(settings.servable.absolute())


def _switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = (environment.get(name, "") or str(default)).lower()
    if text not in ("true", "false"):
        raise SettingsError(f"{name} must be true or false. Received: {text!r}")
    return text == "true"


def _limit(environment: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = environment.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) < 2**31):
        raise SettingsError(f"{name} must be a whole number from {least} to {2**31 - 1}. Received: {text!r}")
    return int(text)
