"""How fast a sequence model trains beside RecTools' SASRec: `python -m benchmarks.training_speed`.

The same architecture (layers, heads, widths, positions, full softmax over the catalogue), the same interactions, batch
and number of epochs, both on the threads that params.yaml gives. Training alone, input pipeline included: the first
epoch, in which everything is traced and allocated, is left out, and a run's speed is that of its fastest other epoch.
The two run in turns, each in a process of its own; the ratio is of neighbouring runs. Writes
docs/results/training_speed.csv.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

import params
from benchmarks import attempt, exchange, runs
from benchmarks.attempt import CACHE, ROOT, SCRIPTS
from benchmarks.results import FOLDER, Result, write
from dataset.world import World

COMMAND: Final = "python -m benchmarks.training_speed"
PEER: Final = "rectools-sasrec"
OURS: Final = "ours"
DIMENSIONS: Final = 64
BLOCKS: Final = 2
HEADS: Final = 2
POSITIONS: Final = 100
DROPOUT: Final = 0.3
BATCH: Final = 64
EPOCHS: Final = 4
"""Timed ones."""
REPEATS: Final = 3
LIST_LENGTH: Final = 100


class Speed(msgspec.Struct):
    """One run, ours or the peer's, which says more than this."""

    seconds: list[float]
    """Of each epoch, the first one included."""
    interactions_per_second: float
    """Targets learned from."""
    parameters: int
    peak_bytes: int


def main(arguments: list[str]) -> int:
    """Runs both in turns and writes the results; with `ours`, one run of ours in this process."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="?", choices=[OURS], help="one run of ours, printed as JSON")
    if parser.parse_args(arguments).only:
        sys.stdout.buffer.write(msgspec.json.encode(measured(params.load())))
        return 0
    settings = params.load()
    ours, theirs = [], []
    for _ in range(REPEATS):
        ours.append(_run([sys.executable, "-m", "benchmarks.training_speed", OURS], settings.train.threads))
        theirs.append(_run(_peer(settings), settings.train.threads))
    found = list(results(ours, theirs))
    for result in found:
        sys.stdout.write(f"{result.subject:24} {result.metric:28} {result.value:14,.2f} {result.unit}\n")
    write(FOLDER / "training_speed.csv", found)
    return 0


def measured(settings: params.Params) -> Speed:
    """Trains our model for as many epochs as are timed, and one."""
    import tensorflow as tf

    from models import device, sequential
    from models.architecture import SequenceArchitecture

    world = World.read(settings.paths.features)
    fold = world.selection
    device.prepare(seed=settings.seed, threads=settings.train.threads)
    shape = SequenceArchitecture(
        num_items=len(world.items),
        num_categories=len(world.categories),
        categories_per_item=world.features.categories.shape[1],
        trends=0,
        history_length=POSITIONS,
        stride=POSITIONS,
        embedding_dim=DIMENSIONS,
        encoder="transformer",
        blocks=BLOCKS,
        half_lives=[4.0] * HEADS,
        forward_factor=1,
        head_units=1,
        dropout=DROPOUT,
        id_dropout=0.0,
        content=False,
        timed=False,
        temperature=0.0,
        negatives=0,
    )
    model = sequential.build(shape)
    data = model.data(fold.learn, fold.features, batch_size=BATCH, seed=settings.seed)
    model.compile(optimizer=device.optimizer(0.001))
    seconds = []
    for _ in range(EPOCHS + 1):
        start = time.perf_counter()
        model.fit(data.batches, epochs=1, verbose=0)
        seconds.append(time.perf_counter() - start)
    parameters = sum(int(tf.size(value)) for value in model.trainable_variables)
    learned = int(fold.learn.known().sum())
    return Speed(seconds, learned / min(seconds[1:]), parameters, runs.peak_bytes())


def results(ours: Sequence[Speed], theirs: Sequence[Speed]) -> Iterator[Result]:
    """The middle run of each, with the least and the most, and the ratio of neighbours."""
    pairs = zip(ours, theirs, strict=True)
    ratios = [one.interactions_per_second / other.interactions_per_second for one, other in pairs]
    yield _result("podium/transformer", f"times as fast as {PEER}", ratios, "ratio")
    for subject, found in (("podium/transformer", ours), (f"peer/{PEER}", theirs)):
        yield _result(subject, "interactions per second", [run.interactions_per_second for run in found], "1/s")
        yield _result(subject, "parameters", [float(run.parameters) for run in found], "1")
        yield _result(subject, "peak memory", [float(run.peak_bytes) for run in found], "bytes")


def _result(subject: str, metric: str, values: Sequence[float], unit: str) -> Result:
    middle, low, high = statistics.median(values), min(values), max(values)
    return Result("training speed", "movielens-100k", "one epoch", subject, metric, middle, low, high, unit, COMMAND)


def _peer(settings: params.Params) -> list[str]:
    fold = World.read(settings.paths.features).selection
    given = exchange.kept(CACHE / "given", fold, LIST_LENGTH, reveal=True)
    asked = {
        "n_factors": DIMENSIONS,
        "n_blocks": BLOCKS,
        "n_heads": HEADS,
        "session_max_len": POSITIONS,
        "dropout_rate": DROPOUT,
        "lr": 0.001,
        "batch_size": BATCH,
        "windows": True,
    }
    python = attempt.environment(attempt.peers()[PEER], ROOT / CACHE)
    command = [str(python), str(SCRIPTS / "rectools_speed.py"), str(given.resolve())]
    return [*command, "--settings", msgspec.json.encode(asked).decode(), "--epochs", str(EPOCHS)]


def _run(command: list[str], threads: int) -> Speed:
    done = subprocess.run(command, env=os.environ | attempt.limits(threads), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Speed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
