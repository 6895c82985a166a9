"""The packaged champion, served on loopback for as long as somebody needs it."""

from collections.abc import Iterator
from contextlib import contextmanager

import params
from flows import processes


@contextmanager
def serving(settings: params.Params, bento: str) -> Iterator[str]:
    """Serves a bento and gives its URL; the port is that of params.yaml unless somebody has it.

    Args:
        settings: the endpoint's limits and places.
        bento: its tag. `latest` may be another clone's: BentoML's store is the user's and not the folder's.

    Raises:
        flows.processes.StartError: it did not come up.
    """
    limits = settings.serve
    port = processes.port(limits.port)
    url = f"http://{limits.host}:{port}"
    environment = {
        "PODIUM_SERVABLE": "",  # of the shell that this runs in; it would be served instead
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
    arguments = ["bentoml", "serve", bento, "--host", limits.host, "--port", str(port)]
    log = settings.paths.reports / "serve.log"
    with processes.running(arguments, log=log, ready=f"{url}/readyz", environment=environment):
        yield url
