"""Peers on our questions: `python -m benchmarks.side_by_side` puts them into docs/results/quality.csv.

Each peer runs in an environment of its own (benchmarks/peers), is given the features of the present `dvc repro` and
gives back lists. Its candidates are tried on validation with the first seed; the best one learns from train and
validation for as many epochs as were best, and takes the test once for each seed. What it gives is examined as our
models are: a peer's value is the mean over its seeds, its interval the bootstrap over users of each query's mean, and a
difference is paired with our models' own runs (`python -m benchmarks.quality`, which has to come first).

Every run is kept under .cache until what it depends on changes: an interrupted command goes on where it was.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

import params
from benchmarks import attempt, exchange, peers_table, quality
from benchmarks.attempt import CACHE, Order, Peer, PeerError
from benchmarks.exchange import Lists
from benchmarks.results import FOLDER, Result, merge, read, span
from dataset.world import Fold, World
from evaluation import report
from evaluation.metrics import Values, accuracy
from evaluation.significance import Bootstrap, Interval

LENGTH: Final = 100
CUTOFFS: Final = (10, 20, 100)
OURS: Final = ("two-tower", "recency-ease", "blend", "two-stage")
"""Float models that the peers are held against."""
QUICK_SHARE: Final = 4
"""The quick mode's epochs are one of so many."""
COMMAND: Final = "python -m benchmarks.side_by_side"
LABELS: Final = (*quality.PEERS, "temporal next-item")


class NoRunsError(ValueError):
    """Our own models' runs are not there."""


@dataclass(frozen=True)
class Mode:
    """How much is tried."""

    candidates: int | None
    """Of each peer, the first ones; None for all."""
    seeds: tuple[int, ...]
    share: int
    """Epochs, at most, are one of so many of the peer's own."""


MODES: Final = {"quick": Mode(1, quality.SEEDS[:1], QUICK_SHARE), "full": Mode(None, quality.SEEDS, 1)}


def main(arguments: list[str]) -> int:
    """Runs the peers and writes table and picture; 1 when one of them failed."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=MODES, default="full", help="quick: one candidate, one seed, fewer epochs")
    parser.add_argument("--peers", help="names, separated by commas; all of benchmarks/peers/peers.yaml by default")
    given = parser.parse_args(arguments)
    known = attempt.peers()
    names = given.peers.split(",") if given.peers else list(known)
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"--peers must be of {', '.join(known)}. Received: {', '.join(unknown)}")
    settings = params.load()
    world, ours = World.read(settings.paths.features), our_values(quality.folders(settings))
    found, failed = _run({name: known[name] for name in names}, world, MODES[given.mode], settings.train.threads)
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, settings.seed)
    command = COMMAND if given.mode == "full" else f"{COMMAND} --mode {given.mode}"
    results = [row for name, lists in found.items() for row in rows(name, lists, world, ours, bootstrap, command)]
    merge(FOLDER / "quality.csv", [*_kept(set(found)), *results])
    peers_table.draw(read(FOLDER / "quality.csv"), FOLDER)
    for name, error in failed.items():
        sys.stderr.write(f"{name}: {error}\n")
    return int(bool(failed))


def our_values(runs: list[Path]) -> dict[str, Values]:
    """Model -> [n] NDCG@10 of each test query, the mean over our seeds.

    Raises:
        NoRunsError: a seed was not run with the present code, parameters and data.
    """
    tables = []
    for run in runs:
        path = run / "evaluation/per_query.parquet"
        if not path.exists():
            raise NoRunsError(f"{path}: our models have not been run as they are now. Run: {quality.COMMAND}")
        tables.append(pq.read_table(path, columns=["subject", quality.PRIMARY]))
    return {
        name: np.mean([report.values(table, name, quality.PRIMARY) for table in tables], axis=0)
        for name in OURS
        if name in tables[0]["subject"].unique().to_pylist()
    }


def rows(
    name: str, lists: list[Lists], world: World, ours: Mapping[str, Values], bootstrap: Bootstrap, command: str
) -> Iterator[Result]:
    """A peer's figures, and our models' differences from it.

    Args:
        name: of the peer.
        lists: its answers to the test, one a seed.
        world: the questions.
        ours: see `our_values`.
        bootstrap: of the intervals.
        command: that made them.
    """
    users = world.test.user

    def row(subject: str, metric: str, interval: Interval, unit: str = "1") -> Result:
        return Result(
            *LABELS, subject, metric, float(interval.value), float(interval.low), float(interval.high), unit, command
        )

    measured = [accuracy(one.rank(world.test.target), CUTOFFS) for one in lists]
    for metric in quality.METRICS:
        yield row(f"peer/{name}", metric, bootstrap.mean(np.mean([one[metric] for one in measured], axis=0), users))
    for metric, unit, values in (
        ("fit seconds", "s", [one.fit.fit_seconds for one in lists]),
        ("peak memory", "bytes", [float(one.fit.peak_bytes) for one in lists]),
        ("model", "bytes", [float(one.fit.model_bytes) for one in lists]),
    ):
        yield row(f"peer/{name}", metric, span(values), unit)
    theirs = np.mean([one[quality.PRIMARY] for one in measured], axis=0)
    for model, mine in ours.items():
        yield row(f"podium/{model}", f"{quality.PRIMARY} - {name}", bootstrap.difference(mine, theirs, users))


def _kept(names: set[str]) -> list[Result]:
    """What earlier commands found of the peers that were not run now."""
    path = FOLDER / "quality.csv"
    return [
        one
        for one in (read(path) if path.exists() else [])
        if (one.benchmark, one.dataset) == quality.PEERS
        and one.subject.removeprefix("peer/") not in names
        and one.metric.rpartition(" - ")[2] not in names
    ]


def _run(
    chosen: Mapping[str, Peer], world: World, mode: Mode, threads: int
) -> tuple[dict[str, list[Lists]], dict[str, PeerError]]:
    """Each peer's answers to the test, or why there are none."""
    validation, test = (
        exchange.kept(CACHE / "given", fold, LENGTH, reveal=fold.name == "selection")
        for fold in (world.selection, world.final)
    )
    found: dict[str, list[Lists]] = {}
    failed: dict[str, PeerError] = {}
    runs = sum(len(peer.candidates[: mode.candidates]) + len(mode.seeds) for peer in chosen.values())
    with tqdm(total=runs, desc="peers", unit="run") as progress:
        for name, peer in chosen.items():
            progress.set_postfix_str(name)
            try:
                found[name] = _peer(name, peer, world, (validation, test), mode, threads, progress)
            except PeerError as error:
                failed[name] = error
    return found, failed


def _peer(
    name: str,
    peer: Peer,
    world: World,
    given: tuple[Path, Path],
    mode: Mode,
    threads: int,
    progress: "tqdm[None]",
) -> list[Lists]:
    epochs = max(peer.epochs // mode.share, peer.every)

    def ask(fold: Fold, folder: Path, order: Order) -> Lists:
        found = attempt.lists(peer, order, folder, fold.ask, fold.catalogue, length=LENGTH, cache=CACHE / "runs" / name)
        progress.update()
        return found

    def order(settings: attempt.Settings, seed: int, epochs: int) -> Order:
        return Order(
            settings=settings, seed=seed, epochs=epochs, every=peer.every, patience=peer.patience, threads=threads
        )

    tried = [
        (ask(world.selection, given[0], order(settings, mode.seeds[0], epochs)), settings)
        for settings in peer.candidates[: mode.candidates]
    ]
    best, settings = max(tried, key=lambda one: _ndcg(one[0], world.selection))
    return [ask(world.final, given[1], order(settings, seed, best.fit.epochs)) for seed in mode.seeds]


def _ndcg(lists: Lists, fold: Fold) -> float:
    return float(accuracy(lists.rank(fold.ask.target), [10])[quality.PRIMARY].mean())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
