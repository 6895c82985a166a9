"""The packaged champion, served on loopback for as long as somebody needs it."""

from collections.abc import Iterator
from contextlib import contextmanager

import params
from flows import processes

LATEST = "podium:latest"


@contextmanager
def serving(settings: params.Params) -> Iterator[str]:
    """Serves `podium:latest` and gives its URL; the port is that of params.yaml unless somebody has it."""
    limits = settings.serve
    port = processes.port(limits.port)
    url = f"http://{limits.host}:{port}"
    environment = {
        "PODIUM_EXPOSURES": str(settings.paths.exposures.resolve()),
        "PODIUM_MAX_BODY_BYTES": str(limits.max_body_bytes),
        "PODIUM_MAX_CONCURRENCY": str(limits.max_concurrency),
        "PODIUM_TIMEOUT_SECONDS": str(limits.timeout_seconds),
        "PODIUM_WORKERS": str(limits.workers),
        "PODIUM_LARGEST_BATCH": str(limits.largest_batch),
        "PODIUM_CACHE_ENTRIES": str(limits.cache_entries),
        "PODIUM_CACHE_SECONDS": str(limits.cache_seconds),
        "PODIUM_REDIS": limits.redis,
        "PODIUM_ACCESS_LOG": str(limits.access_log).lower(),
        "OTEL_SDK_DISABLED": str(not limits.telemetry).lower(),
    }
    arguments = ["bentoml", "serve", LATEST, "--host", limits.host, "--port", str(port)]
    log = settings.paths.reports / "serve.log"
    with processes.running(arguments, log=log, ready=f"{url}/readyz", environment=environment):
        yield url
