"""Whether the endpoint holds out: `python -m benchmarks.soak --seconds 300`, `... --seconds 1800 --share 0.5`.

Without --share 8 connections send as fast as they are answered (closed loop), after the same load on bare Starlette for
comparison. With --share the load is that share of what the endpoint was first measured to be capable of, due at a fixed
rate (open loop). The worker's memory is read every second; its growth is the slope of a line through what is left of
it without the first fifth. p99 of the first and of the last minute, or of the halves of a shorter run.

Temporary files, most of them the exposure log, take about 1 KB a request (TMPDIR says where). Puts rows into
docs/results/serving.csv and draws docs/results/soak.png, or soak-open.png of an open loop.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("agg")

import numpy as np
import numpy.typing as npt
from matplotlib import pyplot
from tqdm import tqdm

import params
from benchmarks import load, questions, servers, serving_table
from benchmarks.load import Load
from benchmarks.results import FOLDER, Result, merge
from benchmarks.servers import LIMIT, Endpoint, Running
from benchmarks.serving import ANSWER, DATASET, FILE, TIMEOUT
from benchmarks.traffic import Schedule

COMMAND: Final = "python -m benchmarks.soak"
CONNECTIONS: Final = 8
WARM_UP: Final = 2.0
BEFORE_SECONDS: Final = 20.0
"""Of what is measured before the soak: capacity, or the limit."""
MINUTE: Final = 60.0
SETTLING: Final = 0.2
"""Share of the memory samples that the slope leaves out."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Soak:
    """What was measured."""

    load: Load
    samples: Doubles
    """[2, n] begin and latency of each answered request, seconds."""
    memory: Doubles
    """[2, m] seconds since the start and the worker's resident bytes."""
    before: Load
    """Of the limit (closed loop), or what the capacity was taken from (open loop)."""
    seconds: float
    rate: float | None
    """Of the open loop, requests a second."""


def main(arguments: list[str]) -> int:
    """Runs one soak and writes it; 1 when a request was not answered, 2 when there is nothing to serve."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="two-tower", help="of params.yaml, or blend, switch, two-stage (two-tower)")
    parser.add_argument("--seconds", type=load.positive, default=300.0, help="(300)")
    parser.add_argument("--share", type=load.positive, help="open loop at this share of the capacity, such as 0.5")
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = measure(Path(scratch), given.model, given.seconds, given.share)
    except questions.ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    command = f"{COMMAND} --model {given.model} --seconds {given.seconds:g}"
    command += f" --share {given.share:g}" if given.share else ""
    merge(FILE, list(results(found, given.model, command)))
    serving_table.show(FILE)
    draw(found, FOLDER / ("soak.png" if given.share is None else "soak-open.png"))
    return 1 if found.load.errors else 0


def measure(home: Path, model: str, seconds: float, share: float | None) -> Soak:
    """One soak.

    Args:
        home: an empty folder for what is needed and written.
        model: which is served.
        seconds: how long.
        share: of the capacity, for an open loop.
    """
    settings = params.load()
    world = questions.world(settings)
    asked = questions.write(home / "requests.jsonl", world, seed=settings.seed)
    served = questions.servable(settings, world, model, home / "servable")
    endpoint, body = servers.podium(f"podium/{model}", served, home / "exposures"), load.read_bodies(asked)[0]
    first = Schedule(CONNECTIONS, WARM_UP, min(BEFORE_SECONDS, seconds), None, TIMEOUT)
    with servers.started(endpoint, home / "server", body) as running:
        if share is not None:
            before = load.apart(running.url, asked, first)
            return _soak(running, asked, home, seconds, before, rate=share * before.per_second)
        (home / "answer.json").write_bytes(running.first_answer)
    limit = Endpoint(LIMIT, servers.STARLETTE, environment={ANSWER: str(home / "answer.json")})
    with servers.started(limit, home / "server", body) as running:
        before = load.apart(running.url, asked, first)
    with servers.started(endpoint, home / "server", body) as running:
        return _soak(running, asked, home, seconds, before, rate=None)


def results(found: Soak, model: str, command: str) -> Iterator[Result]:
    """Rows of one soak."""
    loop = "closed loop" if found.rate is None else "open loop"
    benchmark, subject = f"serving soak, {loop}, {model}", f"podium/{model}"
    protocol = f"{loop}, {CONNECTIONS} connections, {found.seconds:g} s"

    def row(subject: str, metric: str, value: float, unit: str) -> Result:
        return Result(benchmark, DATASET, protocol, subject, metric, value, value, value, unit, command)

    yield row(subject, "requests", float(found.load.requests), "1")
    yield row(subject, "requests a second", found.load.per_second, "1/s")
    yield row(subject, "errors", float(sum(found.load.errors.values())), "1")
    yield row(subject, "p50", found.load.p50_ms, "ms")
    yield row(subject, "p99", found.load.p99_ms, "ms")
    yield row(subject, "p99.9", found.load.p999_ms, "ms")
    begin, end = ends(found.samples, found.seconds)
    yield row(subject, "p99 of the first minute", begin, "ms")
    yield row(subject, "p99 of the last minute", end, "ms")
    yield row(subject, "p99 of the last minute / p99 of the first", end / begin, "ratio")
    yield row(subject, "resident memory at the end", float(found.memory[1, -1]), "bytes")
    yield row(subject, "memory growth", slope(found.memory) / 1e6, "MB/min")
    if found.rate is None:
        yield row(LIMIT, "p99", found.before.p99_ms, "ms")
        yield row(subject, f"p99 / {LIMIT}", found.load.p99_ms / found.before.p99_ms, "ratio")
    else:
        yield row(subject, "capacity measured before", found.before.per_second, "1/s")
        yield row(subject, "p99 of the generator's own lateness", found.load.late_p99_ms, "ms")


def ends(samples: Doubles, seconds: float) -> tuple[float, float]:
    """p99 in ms of what began in the first and in the last minute, or half of a run of less than two.

    Args:
        samples: [2, n] begin and latency, seconds.
        seconds: length of the run.
    """
    window, (begin, latency) = min(MINUTE, seconds / 2), samples
    parts = (latency[begin < window], latency[begin >= seconds - window])
    first, last = (float(np.percentile(part, 99)) * 1000 if len(part) else np.nan for part in parts)
    return first, last


def slope(memory: Doubles) -> float:
    """Bytes a minute by which memory grows: a line by least squares through all but the first samples.

    Args:
        memory: [2, m] seconds and bytes.
    """
    when, resident = memory[:, int(SETTLING * memory.shape[1]) :]
    return float(np.polyfit(when / 60, resident, 1)[0])


def draw(found: Soak, path: Path) -> None:
    """p99 of each second and the worker's memory, over time."""
    begin, latency = found.samples
    second = np.clip(begin.astype(np.int64), 0, int(found.seconds))
    order = np.argsort(second, kind="stable")
    there, starts = np.unique(second[order], return_index=True)
    p99 = [np.percentile(part, 99) * 1000 for part in np.split(latency[order], starts[1:])]
    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(10, 5), sharex=True)
    upper.plot(there, p99, color="#1b6ca8", linewidth=0.8)
    upper.set_ylabel("p99 of a second, ms")
    lower.plot(found.memory[0], found.memory[1] / 1e6, color="#c26a3d")
    lower.set_ylabel("resident memory, MB")
    lower.set_xlabel("seconds")
    for axes in (upper, lower):
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _soak(running: Running, asked: Path, home: Path, seconds: float, before: Load, *, rate: float | None) -> Soak:
    kept = home / "samples.npy"
    schedule = Schedule(CONNECTIONS, WARM_UP, seconds, rate, TIMEOUT)
    command = load.command(running.url, asked, schedule, samples=kept)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as generator:
        memory = _watched(running, generator, WARM_UP + seconds)
        output = generator.communicate()[0]
    found = load.parsed(generator.returncode, output)
    return Soak(found, np.load(kept), memory, before, seconds, rate)


def _watched(running: Running, generator: "subprocess.Popen[bytes]", seconds: float) -> Doubles:
    """The worker's memory every second until the generator has ended."""
    start, rows = time.perf_counter(), []
    with tqdm(total=round(seconds), desc="soak", unit="s") as progress:
        while generator.poll() is None:
            rows.append((time.perf_counter() - start, running.resident_bytes()))
            progress.set_postfix_str(f"{rows[-1][1] / 1e6:.0f} MB")
            progress.update(min(1, progress.total - progress.n))
            time.sleep(1)
    return np.array(rows).T


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
