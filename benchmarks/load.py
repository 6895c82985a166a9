"""Load on an HTTP endpoint, from a process of its own: `python -m benchmarks.load http://127.0.0.1:3000/recommend`.

Without --rate each connection sends its next request when it has its answer (closed loop). With --rate requests are due
at that rate whatever the server does, and latency counts from the moment at which each was due, so that a stall counts
for all that were due in it (open loop). The warm-up is left out; every status but 200 is an error. Percentiles are of
all latencies, not of buckets.

    python -m benchmarks.load http://127.0.0.1:3000/recommend --connections 8 --seconds 30
    python -m benchmarks.load http://127.0.0.1:3000/recommend --requests bodies.jsonl --rate 500
"""

import argparse
import gc
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from benchmarks.traffic import Record, Schedule, Target, TargetError, send

COMMAND: Final = "python -m benchmarks.load"
PERCENTS: Final = (50, 90, 99, 99.9)
MOST: Final = 1000
"""Connections that select() can wait for."""


class RequestsError(ValueError):
    """A file of requests that holds none; the message names it."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one run. Latencies are in milliseconds, NaN when nothing was answered."""

    requests: int
    """Answered with 200."""
    errors: dict[str, int]
    """Reason -> requests that were not."""
    per_second: float
    """Answered requests a second of the measurement."""
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late_p99_ms: float
    """Open loop: how late the generator itself was to send, 0 in a closed loop."""
    cpu_share: float
    """CPU seconds of the generator a second: near 1 the generator is the limit and not the server."""


def main(arguments: list[str]) -> int:
    """Sends the load and prints what came of it; 1 when there was an error or no answer at all."""
    given = _parser().parse_args(arguments)
    if given.rate and given.connections > MOST:
        _parser().error(f"--connections must be at most {MOST} with --rate. Received: {given.connections}")
    schedule = Schedule(given.connections, given.warm_up, given.seconds, given.rate, given.timeout)
    try:
        target, bodies = Target.of(given.url), read_bodies(given.requests) if given.requests else [b"{}"]
    except (TargetError, RequestsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # The generator's own collections would look like stalls of the server; it makes no cycles.
    gc.freeze()
    gc.disable()
    record = send(target, bodies, schedule)
    found = summary(record, given.seconds)
    if given.samples:
        np.save(given.samples, np.array([record.begun, record.latency], np.float64))
    sys.stdout.write(msgspec.json.encode(found).decode() if given.json else text(found))
    return 1 if found.errors or not found.requests else 0


def read_bodies(path: Path) -> list[bytes]:
    """The lines of a file, each the body of a request.

    Raises:
        RequestsError: there is none.
    """
    bodies = [line for line in path.read_bytes().splitlines() if line.strip()]
    if not bodies:
        raise RequestsError(f"{path}: must hold a JSON body on each line. Received: no line")
    return bodies


def apart(url: str, requests: Path, schedule: Schedule, *, samples: Path | None = None) -> Load:
    """The same in a process of its own, which is waited for.

    Args:
        url: where to.
        requests: file of bodies.
        schedule: the load.
        samples: where [2, n] of begin (s) and latency (s) are to be kept.
    """
    done = subprocess.run(command(url, requests, schedule, samples=samples), stdout=subprocess.PIPE)
    return parsed(done.returncode, done.stdout)


def command(url: str, requests: Path, schedule: Schedule, *, samples: Path | None = None) -> list[str]:
    """The command line of a run that prints JSON."""
    connections, warm_up, seconds, rate, timeout = map(str, astuple(schedule))
    found = [sys.executable, "-m", "benchmarks.load", url, "--requests", str(requests), "--json"]
    found += ["--connections", connections, "--warm-up", warm_up, "--seconds", seconds, "--timeout", timeout]
    found += ["--rate", rate] if schedule.rate is not None else []
    return found + (["--samples", str(samples)] if samples else [])


def parsed(code: int, output: bytes) -> Load:
    """What such a command printed.

    Raises:
        RuntimeError: it could not run.
    """
    if code not in (0, 1) or not output:
        raise RuntimeError(f"{COMMAND} must end with 0 or 1. Received: {code}")
    return msgspec.json.decode(output, type=Load)


def summary(record: Record, seconds: float) -> Load:
    """A record in a few numbers.

    Args:
        record: what was measured.
        seconds: length of the measurement.
    """
    latency = np.array(record.latency, np.float64) * 1000
    late = np.array(record.late, np.float64) * 1000
    p50, p90, p99, p999 = np.percentile(latency, PERCENTS) if len(latency) else [np.nan] * len(PERCENTS)
    return Load(
        requests=len(latency),
        errors=dict(record.errors),
        per_second=len(latency) / seconds,
        mean_ms=float(latency.mean()) if len(latency) else np.nan,
        p50_ms=float(p50),
        p90_ms=float(p90),
        p99_ms=float(p99),
        p999_ms=float(p999),
        max_ms=float(latency.max()) if len(latency) else np.nan,
        late_p99_ms=float(np.percentile(late, 99)) if len(late) else 0.0,
        cpu_share=record.cpu_seconds / seconds,
    )


def text(found: Load) -> str:
    """For people."""
    errors = ", ".join(f"{count} x {reason}" for reason, count in sorted(found.errors.items())) or "none"
    return (
        f"requests      {found.requests:,} ({found.per_second:,.1f} a second)\nerrors        {errors}\n"
        f"latency ms    p50 {found.p50_ms:.2f}, p90 {found.p90_ms:.2f}, p99 {found.p99_ms:.2f}, "
        f"p99.9 {found.p999_ms:.2f}, max {found.max_ms:.2f}, mean {found.mean_ms:.2f}\n"
        f"generator     CPU share {found.cpu_share:.2f}, p99 of its own lateness {found.late_p99_ms:.2f} ms\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="such as http://127.0.0.1:3000/recommend")
    parser.add_argument("--requests", type=Path, metavar="FILE", help="JSON lines, a body each, taken in turn ({})")
    parser.add_argument("--connections", type=_count, default=8, help="kept connections (8)")
    parser.add_argument("--seconds", type=positive, default=10.0, help="of measurement (10)")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before it (1)")
    parser.add_argument("--rate", type=positive, help="open loop: requests a second")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for the last answers (10)")
    parser.add_argument("--samples", type=Path, metavar="NPY", help="keep [2, n]: begin and latency, seconds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def positive(given: str) -> float:
    """An argument above 0."""
    if not (value := float(given)) > 0:
        raise argparse.ArgumentTypeError(f"must be above 0. Received: {given}")
    return value


def _count(given: str) -> int:
    if (value := int(given)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {given}")
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
