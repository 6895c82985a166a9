"""Throughput and latency of the endpoint: `python -m benchmarks.serving`; about 15 minutes, `--quick` 2.

In turns, one server at a time, each on a free port of loopback and asked by a process of its own:

podium/<model>            the real endpoint with a trained model and its exposure log
limit/starlette           Starlette on uvicorn that reads the request and sends the bytes of one of Podium's answers
limit/bentoml             the same behind all of BentoML that Podium has in front of it
peer/bentoml-typed        BentoML's typed API at its defaults, which returns the same answer as a constant
peer/bentoml-savedmodel   the same model, not compressed, as a TensorFlow SavedModel behind the same

Requests are of real users, k = 10: half known ones by id, half strangers with the history of a test query. Each
connection sends its next request when it has its answer; the warm-up is left out. A ratio is of two servers of the same
round. Also from start to first answer, and resident memory of the worker before and after many requests. All numbers
are the median of the rounds, with least and most.

The stages have to be there (`dvc repro`). Writes docs/results/serving.csv, serving.md and serving.png. Longer runs have
commands of their own: `python -m benchmarks.soak`; so have `python -m benchmarks.growth` and
`python -m benchmarks.bento_size`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm

import durable
import params
from benchmarks import load, questions, servers, serving_table
from benchmarks.load import Load
from benchmarks.results import FOLDER, Result, merge
from benchmarks.servers import BARE, LIMIT, SAVEDMODEL, TYPED, Endpoint, Running
from benchmarks.traffic import Schedule
from dataset.world import World

COMMAND: Final = "python -m benchmarks.serving"
FILE: Final = FOLDER / "serving.csv"
DATASET: Final = "movielens-100k"
CONNECTIONS: Final = (1, 8, 64)
USUAL: Final = 8
TIMEOUT: Final = 10.0
ANSWER: Final = "PODIUM_BENCHMARK_ANSWER"
METRICS: Final = (
    ("requests per second", "per_second", "1/s"),
    ("p50", "p50_ms", "ms"),
    ("p99", "p99_ms", "ms"),
    ("p99.9", "p999_ms", "ms"),
    ("CPU share of the generator", "cpu_share", "1"),
)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    warm_up: float
    seconds: float
    requests: int
    """That a worker of Podium has answered when its memory is read at the end."""


FULL: Final = Plan(rounds=5, warm_up=1.0, seconds=5.0, requests=100_000)
QUICK: Final = Plan(rounds=1, warm_up=0.5, seconds=1.5, requests=2_000)


@dataclass(frozen=True)
class Turn:
    """One server in one round."""

    subject: str
    workers: int
    start_seconds: float
    start_bytes: float
    loads: Mapping[int, Load]
    """By connections."""
    answered: int
    """All in all."""
    end_bytes: float


def main(arguments: list[str]) -> int:
    """Measures everything and writes it; 2 when there is nothing to serve."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="two-tower", help="of params.yaml, or blend, switch, two-stage (two-tower)")
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it runs, not to quote")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="environment variable for Podium's endpoint",
    )
    given = parser.parse_args(arguments)
    plan, environment = QUICK if given.quick else FULL, dict(given.set)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            turns = measure(Path(scratch), given.model, plan, environment)
    except questions.ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    command = f"{COMMAND} --model {given.model}" + " --quick" * given.quick
    command += "".join(f" --set {name}={value}" for name, value in given.set)
    merge(FILE, list(results(turns, f"serving {given.model}", command)))
    serving_table.show(FILE)
    return 0


def measure(home: Path, model: str, plan: Plan, environment: Mapping[str, str]) -> list[Turn]:
    """All servers, in turns.

    Args:
        home: an empty folder for whatever they need and write.
        model: which model Podium serves.
        plan: how much.
        environment: further settings of Podium's endpoint.
    """
    settings = params.load()
    world = questions.world(settings)
    asked = questions.write(home / "requests.jsonl", world, seed=settings.seed)
    endpoints = _endpoints(home, settings, world, model, environment)
    turns = []
    with tqdm(total=plan.rounds * len(endpoints) * len(CONNECTIONS), desc="serving", unit="run") as progress:
        for _ in range(plan.rounds):
            for endpoint in endpoints:
                progress.set_postfix_str(f"{endpoint.subject}, {endpoint.workers} workers")
                turns.append(_turn(endpoint, home, asked, plan, progress))
    return turns


def results(turns: Sequence[Turn], benchmark: str, command: str) -> Iterator[Result]:
    """Rows of all turns: the median of the rounds, with the least and the most."""

    def row(protocol: str, subject: str, metric: str, values: Sequence[float], unit: str) -> Result:
        low, value, high = np.quantile(values, [0, 0.5, 1])
        bounds = (float(value), float(low), float(high))
        return Result(benchmark, DATASET, protocol, subject, metric, *bounds, unit, command)

    of: dict[tuple[str, int], list[Turn]] = {}
    for turn in turns:
        of.setdefault((turn.subject, turn.workers), []).append(turn)
    for (subject, workers), ours in of.items():
        for connections in ours[0].loads:
            where, loads = protocol(connections, workers), [turn.loads[connections] for turn in ours]
            for metric, field, unit in METRICS:
                yield row(where, subject, metric, [getattr(one, field) for one in loads], unit)
            yield row(where, subject, "errors", [float(sum(one.errors.values())) for one in loads], "1")
            for other in (LIMIT, BARE, TYPED, SAVEDMODEL) if subject.startswith("podium/") else ():
                theirs = [turn.loads[connections] for turn in of.get((other, workers), [])]
                for metric, field, _ in METRICS[:3] if theirs else ():
                    pairs = zip(loads, theirs, strict=True)
                    ratios = [getattr(one, field) / getattr(another, field) for one, another in pairs]
                    yield row(where, subject, f"{metric} / {other}", ratios, "ratio")
        if workers == 1:
            yield row("1 worker", subject, "first answer after start", [turn.start_seconds for turn in ours], "s")
            yield row("1 worker", subject, "resident memory at start", [turn.start_bytes for turn in ours], "bytes")
            yield row("1 worker", subject, "resident memory at the end", [turn.end_bytes for turn in ours], "bytes")
            yield row("1 worker", subject, "requests until then", [float(turn.answered) for turn in ours], "1")


def protocol(connections: int, workers: int) -> str:
    """Says under what load."""
    return f"{connections} connection{'s' * (connections > 1)}, {workers} worker{'s' * (workers > 1)}"


def _setting(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE. Received: {given!r}")
    return name, value


def _endpoints(
    home: Path, settings: params.Params, world: World, model: str, environment: Mapping[str, str]
) -> list[Endpoint]:
    served, subject = questions.servable(settings, world, model, home / "servable"), f"podium/{model}"
    constant = {ANSWER: str(home / "answer.json")}
    found = [
        servers.podium(subject, served, home / "exposures", environment=environment),
        Endpoint(LIMIT, servers.STARLETTE, environment=constant),
        Endpoint(BARE, servers.NOTHING, environment=constant),
        Endpoint(TYPED, servers.CONSTANT, environment=constant),
    ]
    if questions.is_neural(settings, model):
        folder = questions.savedmodel(model, home / "savedmodel")
        places = {"PODIUM_SERVABLE": str(served), "PODIUM_BENCHMARK_SAVEDMODEL": str(folder)}
        found.append(Endpoint(SAVEDMODEL, servers.TENSORFLOW, environment=places))
    found.append(servers.podium(subject, served, home / "exposures", workers=2, environment=environment))
    found.append(Endpoint(LIMIT, servers.STARLETTE, workers=2, environment=constant))
    return found


def _turn(endpoint: Endpoint, home: Path, asked: Path, plan: Plan, progress: "tqdm[None]") -> Turn:
    with servers.started(endpoint, home / "server", load.read_bodies(asked)[0]) as running:
        start_bytes, loads = running.resident_bytes(), {}
        if endpoint.subject.startswith("podium/"):
            durable.write_bytes(home / "answer.json", running.first_answer)
        for connections in CONNECTIONS:
            schedule = Schedule(connections, plan.warm_up, plan.seconds, None, TIMEOUT)
            loads[connections] = load.apart(running.url, asked, schedule)
            progress.update()
        answered = sum(one.requests for one in loads.values())
        if endpoint.subject.startswith("podium/") and endpoint.workers == 1:
            answered += _more(running, asked, plan.requests - answered, loads[USUAL].per_second)
        end_bytes = running.resident_bytes()
    return Turn(endpoint.subject, endpoint.workers, running.start_seconds, start_bytes, loads, answered, end_bytes)


def _more(running: Running, asked: Path, missing: int, per_second: float) -> int:
    """Sends what is missing to a number of requests, at least."""
    answered = 0
    while answered < missing:
        seconds = max((missing - answered) / per_second * 1.02, 0.5)
        answered += load.apart(running.url, asked, Schedule(USUAL, 0.0, seconds, None, TIMEOUT)).requests
    return answered


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
