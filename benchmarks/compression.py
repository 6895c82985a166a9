"""The whole compression tournament: `python -m benchmarks.compression` on MovieLens-100K, `--published FOLDER` on -1M.

Trains the sequence model once a seed, holds all contestants of benchmarks/experiments/compression.yaml against it as
the stage `compress` does, and measures each in the form in which it would be served: quality on the test with its
paired interval against the float model, what its lists have in common with the float model's, bytes, and in a process
of its own the time to load it, resident memory, latency of 1 and of 64 queries, and CPU seconds for 1,000 queries.
What training took is that of both fits. Of several seeds the means stand beside, and what the rule chooses by them: the
same rule as the stage's, by each validation query's mean over the seeds. Writes docs/results/compression.csv and .md,
and a picture of each data set's first seed.

MovieLens-100K needs the stages before training (`dvc repro featurize`). MovieLens-1M takes the float models that
`python -m benchmarks.movielens_1m FOLDER` has trained, of its first seed, and the contestants of that experiment. Runs
are kept under .cache until code, parameters or data change, so that an interrupted one goes on where it was.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from tqdm import tqdm

import digest
import durable
import params
from benchmarks import compression_table, experiments, form_cost, movielens_1m, runs
from benchmarks.compression_table import CHANGE, COMMAND, EACH, FROM_CONTROL, PREFIX, PRIMARY, SEEDS, TIMES
from benchmarks.results import FOLDER, Result, merge, read, span
from dataset.world import World
from evaluation import lists
from evaluation.metrics import Values
from evaluation.significance import Bootstrap, Interval
from models.variants import CONTROL, PARENT, Variant, Variants, choose
from scoring import folder as form_folder
from tasks.evaluate import examination
from tasks.validated import Validated

EXPERIMENT: Final = Path("benchmarks/experiments/compression.yaml")
MODEL: Final = movielens_1m.MODEL
FILE: Final = FOLDER / "compression.csv"
PICTURES: Final = {"movielens-100k": "compression", "movielens-1m": "compression-1m"}


@dataclass(frozen=True)
class Held:
    """A tournament that has been held with one seed."""

    seed: int
    outcome: Variants
    folder: Path
    """Of the model's variants."""
    seconds: dict[str, float]
    """Contestant -> what its training took."""

    def variant(self, name: str) -> Variant:
        """What was measured of a contestant."""
        return next(variant for variant in self.outcome.measured if variant.name == name)


def main(arguments: list[str]) -> int:
    """Holds the tournament and writes what came of it."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="7,8,9", help="of MovieLens-100K, separated by commas")
    parser.add_argument("--published", type=Path, metavar="FOLDER", help="MovieLens-1M in its published order, instead")
    parser.add_argument("--draw", action="store_true", help="tables and pictures anew from the results, and no more")
    given = parser.parse_args(arguments)
    if not given.draw:
        found = published(given.published) if given.published else usual([int(one) for one in given.seeds.split(",")])
        merge(FILE, found)
    show(read(FILE))
    return 0


def usual(seeds: Sequence[int]) -> list[Result]:
    """The tournament on MovieLens-100K."""
    files = [digest.of_file(path) for path in (EXPERIMENT, Path("params.yaml"))]
    home = Path(".cache/compression") / runs.name(*files, digest.of_folder(params.load().paths.features))
    file = experiments.written(EXPERIMENT, home, elsewhere=False)
    runs.run_stages(file, [home / str(seed) for seed in seeds], seeds, ("train", "compress"), label="compression")
    held = [_held(home / str(seed), seed) for seed in seeds]
    return list(results(held, params.load(file), ("compression", "movielens-100k", "temporal next-item")))


def published(folder: Path) -> list[Result]:
    """The tournament on MovieLens-1M.

    Raises:
        SystemExit: its models have not been trained yet.
    """
    settings, home, seed = movielens_1m.trained(folder)
    runs.run_step(home / "params.yaml", home / str(seed), seed, ("compress", MODEL))
    return list(results([_held(home / str(seed), seed)], settings, ("compression", "movielens-1m", "leave-one-out")))


def show(found: list[Result]) -> None:
    """Writes tables and pictures."""
    durable.write_bytes(FOLDER / "compression.md", compression_table.markdown(found).encode())
    for dataset in dict.fromkeys(one.dataset for one in found):
        picture = FOLDER / PICTURES[dataset]
        compression_table.draw(found, dataset, picture.with_suffix(".png"), picture.with_suffix(".html"))


def results(held: Sequence[Held], settings: params.Params, labels: tuple[str, str, str]) -> Iterator[Result]:
    """Every contestant of each seed, and where there are several what they come to together."""
    world = World.read(settings.paths.features)
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, settings.seed)

    def row(subject: str, metric: str, interval: Interval, unit: str = "1") -> Result:
        value, low, high = float(interval.value), float(interval.low), float(interval.high)
        return Result(*labels, subject, metric, value, low, high, unit, COMMAND)

    def quality(subject: str, name: str, values: dict[str, Values], *, trained_on: bool) -> Iterator[Result]:
        yield row(subject, PRIMARY, bootstrap.mean(values[name], world.test.user))
        yield row(subject, CHANGE, bootstrap.relative(values[name], values[PARENT], world.test.user))
        if trained_on:
            yield row(subject, FROM_CONTROL, bootstrap.relative(values[name], values[CONTROL], world.test.user))

    found: list[dict[str, Values]] = []
    for one in held:
        whole = float(one.outcome.uncompressed_bytes)
        subject = f"limit/float SavedModel and index, seed {one.seed}"
        yield row(subject, "bytes", Interval(whole, whole, whole), "bytes")
        values, figures = _measured(one, world, settings)
        found.append(values)
        for variant in one.outcome.measured:
            subject = f"{PREFIX}{variant.name}, seed {one.seed}"
            yield from quality(subject, variant.name, values, trained_on=variant.trained_on and variant.name != CONTROL)
            for metric, value, unit in figures[variant.name]:
                yield row(subject, metric, Interval(value, value, value), unit)
    if len(held) == 1:
        return
    winner, own = chosen(held, settings.compress, bootstrap), [one.outcome.winner for one in held]
    together = {name: np.mean([values[name] for values in found], axis=0) for name in found[0]}
    together[EACH] = np.mean([values[won.name] for values, won in zip(found, own, strict=True)], axis=0)
    for name in together:
        alike = own if name == EACH else [one.variant(name) for one in held]
        subject = f"{PREFIX}{name}, {SEEDS}"
        trained_on = any(variant.trained_on for variant in alike) and name != CONTROL
        yield from quality(subject, name, together, trained_on=trained_on)
        times = [one.outcome.uncompressed_bytes / variant.size_bytes for one, variant in zip(held, alike, strict=True)]
        yield row(subject, TIMES, span(times), "ratio")
        yield row(subject, "chosen by a seed", span([float(one is won) for one, won in zip(alike, own, strict=True)]))
        yield row(subject, "chosen", span([float(name == winner)]))


def chosen(held: Sequence[Held], rules: params.Compress, bootstrap: Bootstrap) -> str:
    """What the rule chooses by the seeds together: quality of each validation query and bytes are their means."""
    each = [Validated.read(one.folder) for one in held]
    names = [variant.name for variant in held[0].outcome.measured]
    mean = Validated(each[0].user, {name: np.mean([one.values[name] for one in each], axis=0) for name in names})

    def alike(name: str) -> Variant:
        variants = [one.variant(name) for one in held]
        worst = mean.worst_low(name, bootstrap, trained_on=variants[0].trained_on)
        return msgspec.structs.replace(
            variants[0],
            gzip_bytes=round(float(np.mean([variant.gzip_bytes for variant in variants]))),
            within_margin=worst >= -rules.max_ndcg_loss,
        )

    return choose([alike(name) for name in names], min_saving=rules.min_saving)


def _measured(
    held: Held, world: World, settings: params.Params
) -> tuple[dict[str, Values], dict[str, list[tuple[str, float, str]]]]:
    """By contestant: NDCG@10 of each test query, and (metric, value, unit) of all that has no interval."""
    exam, outcome = examination(world, settings.evaluate), held.outcome
    folders = {one.name: held.folder / "final" / one.name for one in outcome.measured}
    rankings = {name: exam.take(form_folder.read(folder)[1]) for name, folder in folders.items()}
    figures = {
        one.name: [
            ("top-10 overlap with float", lists.overlap(rankings[one.name].lists, rankings[PARENT].lists), "share"),
            ("bytes", float(one.size_bytes), "bytes"),
            ("gzip bytes", float(one.gzip_bytes), "bytes"),
            (TIMES, outcome.uncompressed_bytes / one.size_bytes, "ratio"),
            ("sparsity", one.sparsity, "share"),
            ("extra epochs", float(one.extra_epochs), "epochs"),
            ("extra examples", float(one.extra_examples), "windows"),
            ("training", held.seconds[one.name], "s"),
            ("chosen", float(one.name == outcome.chosen), "1"),
            *form_cost.rows(folders[one.name], settings.paths.features),
        ]
        for one in tqdm(outcome.measured, desc=f"costs, seed {held.seed}", unit="contestant")
    }
    return {name: exam.per_query(ranking)[PRIMARY] for name, ranking in rankings.items()}, figures


def _held(run: Path, seed: int) -> Held:
    folder = run / "variants" / MODEL
    seconds = runs.summary(run, "compress", MODEL)["training_seconds"]
    return Held(seed, Variants.read(folder), folder, seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
