"""What an answer costs as things grow: `python -m benchmarks.growth`; some 5 minutes.

A two-tower model with random weights, served by the real endpoint, one connection, so that latency is that of one
answer: with 2,000, 20,000 and 200,000 items; with histories of 0, 10, 100 and 1,000 items in the request; with 1,000
and 100,000 users. What does not grow is the smallest. Also the time to the first answer, and resident memory of the
worker then.

Sizes are those of artifacts/model/two-tower (`dvc repro train@two-tower`). Puts rows into docs/results/serving.csv.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from tqdm import tqdm

import durable
from benchmarks import load, servers, serving_table
from benchmarks.load import Load
from benchmarks.results import Result, merge
from benchmarks.serving import FILE, TIMEOUT
from benchmarks.synthetic import HISTORY
from benchmarks.traffic import Schedule

COMMAND: Final = "python -m benchmarks.growth"
SUBJECT: Final = "podium/two-tower"
ITEMS: Final = (2_000, 20_000, 200_000)
USERS: Final = (1_000, 100_000)
LENGTHS: Final = (0, 10, 100, 1_000)
SIZES: Final = ((ITEMS[0], USERS[0]), (ITEMS[1], USERS[0]), (ITEMS[2], USERS[0]), (ITEMS[0], USERS[1]))
LIST_LENGTH: Final = 10
REQUESTS: Final = 2_000
"""Different ones."""
WARM_UP: Final = 1.0
SECONDS: Final = 5.0


@dataclass(frozen=True)
class Cost:
    """One size of a servable."""

    items: int
    users: int
    start_seconds: float
    resident_bytes: float
    stored: Load
    """Of known users, whose history is stored."""
    lengths: dict[int, Load]
    """Of strangers, by the length of the history that they bring; only measured at the smallest size."""


def main(arguments: list[str]) -> int:
    """Measures all sizes and writes them."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=load.positive, default=SECONDS, help=f"of each measurement ({SECONDS:.0f})")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        costs = [
            measure(Path(scratch) / f"{items}-{users}", items, users, given.seconds)
            for items, users in tqdm(SIZES, desc="growth", unit="size")
        ]
    merge(FILE, list(results(costs)))
    serving_table.show(FILE)
    return 0


def measure(home: Path, items: int, users: int, seconds: float) -> Cost:
    """One size.

    Args:
        home: a folder for what is needed.
        items: of the catalogue.
        users: whose histories are stored.
        seconds: of each measurement.
    """
    command = [sys.executable, "-m", "benchmarks.synthetic", str(home / "servable"), str(items), str(users)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    random = np.random.default_rng(items + users)
    known = _written(home / "known.jsonl", [{"user_id": str(user)} for user in random.integers(0, users, REQUESTS)])
    endpoint = servers.podium(SUBJECT, home / "servable", home / "exposures")
    schedule = Schedule(1, WARM_UP, seconds, None, TIMEOUT)
    with servers.started(endpoint, home / "server", load.read_bodies(known)[0]) as running:
        resident = running.resident_bytes()
        stored, lengths = load.apart(running.url, known, schedule), {}
        for length in LENGTHS if (items, users) == SIZES[0] else ():
            # A stranger's items differ from each other, so that as many have to be left out as the history is long.
            histories = [random.choice(items, length, replace=False) for _ in range(REQUESTS)]
            bodies = [{"history": [str(item) for item in history]} for history in histories]
            lengths[length] = load.apart(running.url, _written(home / f"{length}.jsonl", bodies), schedule)
    return Cost(items, users, running.start_seconds, resident, stored, lengths)


def results(costs: Sequence[Cost]) -> Iterator[Result]:
    """Rows of all sizes."""
    for cost in costs:
        size = f"{cost.items:,} items, {cost.users:,} users"
        yield _row(f"{size}, stored history of {HISTORY}", "p50", cost.stored.p50_ms, "ms")
        yield _row(f"{size}, stored history of {HISTORY}", "p99", cost.stored.p99_ms, "ms")
        yield _row(size, "first answer after start", cost.start_seconds, "s")
        yield _row(size, "resident memory at start", cost.resident_bytes, "bytes")
        for length, found in cost.lengths.items():
            yield _row(f"{size}, history of {length:,} in the request", "p50", found.p50_ms, "ms")
            yield _row(f"{size}, history of {length:,} in the request", "p99", found.p99_ms, "ms")
        errors = sum(sum(one.errors.values()) for one in (cost.stored, *cost.lengths.values()))
        yield _row(size, "errors", float(errors), "1")


def _row(protocol: str, metric: str, value: float, unit: str) -> Result:
    return Result("serving growth", "random weights", protocol, SUBJECT, metric, value, value, value, unit, COMMAND)


def _written(path: Path, bodies: Sequence[dict[str, Any]]) -> Path:
    lines = [msgspec.json.encode(body | {"k": LIST_LENGTH}) + b"\n" for body in bodies]
    durable.write_bytes(path, b"".join(lines))
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
