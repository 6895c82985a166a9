"""Endpoints that a benchmark asks: each on a free port of loopback, one at a time, ended when the block ends."""

import http.client
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import runs
from benchmarks.traffic import Target
from flows import processes

LIMIT: Final = "limit/starlette"
BARE: Final = "limit/bentoml"
TYPED: Final = "peer/bentoml-typed"
SAVEDMODEL: Final = "peer/bentoml-savedmodel"
STARLETTE: Final = "benchmarks.endpoints.starlette_constant:app"
NOTHING: Final = "benchmarks.endpoints.bentoml_bare:Bare"
CONSTANT: Final = "benchmarks.endpoints.bentoml_typed:Constant"
TENSORFLOW: Final = "benchmarks.endpoints.bentoml_savedmodel:SavedModel"
START_SECONDS: Final = 120
POLL_SECONDS: Final = 0.01
NO_LIMIT: Final = "1024"
"""Of requests at the same time: what is refused is not measured."""
WORKERS: Final = (b"worker.service", b"multiprocessing.spawn")
"""What BentoML's and uvicorn's workers have in their command lines."""


@dataclass(frozen=True)
class Endpoint:
    """A server and how it is started."""

    subject: str
    """Its name in results."""
    target: str
    """Import path of the application or the service."""
    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, port: int) -> list[str]:
        """What comes after `python -m`."""
        if self.subject == LIMIT:
            options = ["--no-access-log", "--log-level", "warning", "--workers", str(self.workers)]
            return ["uvicorn", self.target, "--host", "127.0.0.1", "--port", str(port), *options]
        return ["bentoml", "serve", self.target, "--host", "127.0.0.1", "--port", str(port)]

    def variables(self, home: Path) -> dict[str, str]:
        """Its environment; BentoML keeps what it keeps below `home`."""
        # As an image has it: without bytecode each of its processes would compile its imports anew, for seconds.
        usual = {"PYTHONDONTWRITEBYTECODE": "", "BENTOML_DO_NOT_TRACK": "True"}
        return {**usual, "BENTOML_HOME": str(home / "bentoml"), **self.environment}


@dataclass(frozen=True)
class Running:
    """An endpoint that answers."""

    url: str
    pid: int
    """Of the process that was started."""
    start_seconds: float
    """From the start to the first answer."""
    first_answer: bytes

    @property
    def workers(self) -> list[int]:
        """Process ids of those that answer; the started process itself when it has no workers."""
        found = [pid for pid in _descendants(self.pid) if any(mark in _command_line(pid) for mark in WORKERS)]
        return found or [self.pid]

    def resident_bytes(self) -> float:
        """Resident memory of a worker, the mean of them."""
        workers = self.workers
        return sum(map(runs.resident_bytes, workers)) / len(workers)


def podium(
    subject: str, servable: Path, exposures: Path, *, workers: int = 1, environment: Mapping[str, str] | None = None
) -> Endpoint:
    """Podium's own endpoint; every answer is computed, none taken from the cache, unless the settings say so.

    Args:
        subject: its name in results.
        servable: what it serves.
        exposures: folder of its log.
        workers: processes that answer.
        environment: further settings of the endpoint.
    """
    places = {"PODIUM_SERVABLE": str(servable.absolute()), "PODIUM_EXPOSURES": str(exposures.absolute())}
    usual = {"PODIUM_MAX_CONCURRENCY": NO_LIMIT, "PODIUM_CACHE_ENTRIES": "0", "PODIUM_WORKERS": str(workers)}
    given = {**usual, **places, **(environment or {})}
    return Endpoint(subject, "serving.service:Podium", workers, given)


@contextmanager
def started(endpoint: Endpoint, home: Path, body: bytes) -> Iterator[Running]:
    """Starts an endpoint and asks it until it answers.

    Args:
        endpoint: which.
        home: folder of its log and of whatever it keeps.
        body: of the first request.

    Raises:
        flows.processes.StartError: it does not answer with 200 in two minutes.
    """
    port, log = processes.port(), home / "server.log"
    url = f"http://127.0.0.1:{port}/recommend"
    began = time.perf_counter()
    with processes.running(endpoint.arguments(port), log=log, environment=endpoint.variables(home)) as process:
        answer = _first(Target.of(url), body, process.pid, log, began + START_SECONDS)
        yield Running(url, process.pid, time.perf_counter() - began, answer)


def _first(target: Target, body: bytes, pid: int, log: Path, deadline: float) -> bytes:
    said = "nobody listened"
    while time.perf_counter() < deadline and not _ended(pid):
        connection = http.client.HTTPConnection(target.host, target.port, timeout=10)
        try:
            connection.request("POST", target.path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == http.client.OK:
                return content
            said = f"{answer.status} {content[:200]!r}"
        except (OSError, http.client.HTTPException):
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(POLL_SECONDS)
    tail = log.read_text(errors="replace")[-2000:]
    ended = "it ended" if _ended(pid) else f"no answer in {START_SECONDS} s, at last {said}"
    raise processes.StartError(f"{target}: {ended}; {log} ends with:\n{tail}")


def _ended(pid: int) -> bool:
    """Whether a process of ours is no longer there but for its exit code."""
    return _read(f"/proc/{pid}/stat").rpartition(b") ")[2].startswith(b"Z")


def _descendants(pid: int) -> list[int]:
    children = [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]
    return [found for child in children for found in (child, *_descendants(child))]


def _command_line(pid: int) -> bytes:
    return _read(f"/proc/{pid}/cmdline")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""  # it has ended since
