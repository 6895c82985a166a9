"""Items that nobody has taken yet: `python -m benchmarks.cold_items` writes docs/results/cold_items.csv.

A fifth of the items is withheld: nothing that happened to them may be learned, counted or read in a history; only their
content (categories, year, texts, numbers) is there. The test's queries for them are asked, and the whole catalogue is
ranked, the withheld items among the others. At random, k of n candidates are found in k of n cases. Three choices of
items, each with a seed of its own for the model; the interval is the bootstrap over users of all their queries.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

import params
from benchmarks.results import FOLDER, Result, write
from dataset.batches import CandidateFeatures
from dataset.features import NEVER
from dataset.query import Ints, Queries, Timelines
from dataset.world import Fold, World
from evaluation.metrics import Values, accuracy
from evaluation.protocol import Scorer, rank
from evaluation.significance import Bootstrap
from tasks import fitting

SEEDS: Final = (7, 8, 9)
SHARE: Final = 0.2
CUTOFFS: Final = (10, 100)
EPOCHS: Final = 8
"""Of the neural models. Nothing is chosen here: `newcomers` was chosen on validation, a fifth of its items withheld."""
CHUNK: Final = 512
COMMAND: Final = "python -m benchmarks.cold_items"
LABELS: Final = ("cold items", "movielens-100k", "temporal next-item, a fifth of the items withheld")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """What one model answered to the queries of one choice of items."""

    users: Ints
    """[n]"""
    recall: dict[int, Values]
    """k -> [n] 1 where the item is among the first k."""
    chance: dict[int, Values]
    """k -> [n] what it is at random."""


def main(arguments: list[str]) -> int:
    """Fits each model to what is left, and asks for what was withheld."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="newcomers,content,two-tower,transformer", help="of train.models")
    names = parser.parse_args(arguments).models.split(",")
    settings = params.load()
    if unknown := [name for name in names if name not in settings.train.models]:
        parser.error(f"--models must be of {', '.join(settings.train.models)}. Received: {', '.join(unknown)}")
    world = World.read(settings.paths.features)
    found: dict[str, list[Answers]] = {name: [] for name in names}
    with tqdm(total=len(SEEDS) * len(names), desc="cold items", unit="fit") as progress:
        for seed in SEEDS:
            fold = withhold(world.final, choice(world.final.catalogue, seed))
            for name in names:
                progress.set_postfix_str(f"{name}, seed {seed}")
                found[name].append(answers(fitted(name, world, fold, settings, seed), fold))
                progress.update()
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, settings.seed)
    write(FOLDER / "cold_items.csv", [row for name in names for row in rows(name, found[name], bootstrap)])
    return 0


def choice(catalogue: Mask, seed: int) -> Mask:
    """[items] a fifth of the catalogue."""
    items = np.flatnonzero(catalogue)
    taken = np.random.default_rng(seed).choice(items, round(SHARE * len(items)), replace=False)
    return np.isin(np.arange(len(catalogue)), taken)


def withhold(fold: Fold, items: Mask) -> Fold:
    """The fold as if nothing had ever happened to `items` [num_items], and its queries for them.

    They stay in the catalogue, where nobody has taken them: the one thing that a frozen model would not do by itself.
    """
    features = fold.features
    unknown = {
        "popularity": np.where(items[None, :, None], 0, features.popularity),
        "count_train": np.where(items, 0, features.count_train),
        "count_fit": np.where(items, 0, features.count_fit),
        "first_seen": np.where(items, NEVER, features.first_seen),
    }
    return replace(
        fold,
        known=_timelines(fold.known, items),
        learn=_without(fold.learn[~items[fold.learn.target]], items),
        ask=_without(fold.ask[items[fold.ask.target]], items),
        counts=np.where(items, 0, fold.counts),
        features=replace(fold.features, **unknown),
    )


def fitted(name: str, world: World, fold: Fold, settings: params.Params, seed: int) -> Scorer:
    """A model fitted to the fold, with the items as they are at its freeze."""
    chosen = settings.train.models[name]
    if not isinstance(chosen, params.Neural):
        return fitting.baseline(fold, len(world.items), chosen, seed=seed, threads=settings.train.threads)
    from models import device

    device.prepare(seed=seed, threads=settings.train.threads)
    model, _ = fitting.neural(
        f"{name}: cold items", world, fold, chosen, settings.train, seed, epochs=EPOCHS, validate=None
    )
    return model.frozen(CandidateFeatures.catalogue(fold.features, fold.freeze))


def answers(scorer: Scorer, fold: Fold) -> Answers:
    """Ranks the catalogue for each of the fold's queries."""
    ranking = rank(scorer, fold.ask, fold.catalogue, k=max(CUTOFFS), chunk_size=CHUNK)
    measured = accuracy(ranking.rank, CUTOFFS)
    number = fold.ask.unseen(fold.catalogue).sum(axis=1)
    return Answers(
        users=fold.ask.user,
        recall={k: measured[f"recall_at_{k}"] for k in CUTOFFS},
        chance={k: np.minimum(k / number, 1.0) for k in CUTOFFS},
    )


def rows(name: str, found: Sequence[Answers], bootstrap: Bootstrap) -> Iterator[Result]:
    """A model's recall, what it is at random, and how many times that is."""
    users = np.concatenate([one.users for one in found])
    for k in CUTOFFS:
        recall, chance = (np.concatenate([getattr(one, which)[k] for one in found]) for which in ("recall", "chance"))
        times = bootstrap.relative(recall, chance, users)
        for metric, unit, value, low, high in (
            (f"recall_at_{k}", "1", *_span(bootstrap, recall, users)),
            (f"recall_at_{k} at random", "1", *_span(bootstrap, chance, users)),
            (f"recall_at_{k} against random", "ratio", times.value + 1, times.low + 1, times.high + 1),
        ):
            yield Result(*LABELS, f"podium/{name}", metric, value, low, high, unit, COMMAND)


def _span(bootstrap: Bootstrap, values: Values, users: Ints) -> tuple[float, float, float]:
    found = bootstrap.mean(values, users)
    return float(found.value), float(found.low), float(found.high)


def _timelines(lines: Timelines, items: Mask) -> Timelines:
    kept = ~items[lines.items]
    return Timelines(_count(kept)[lines.starts], lines.items[kept], lines.times[kept])


def _without(queries: Queries, items: Mask) -> Queries:
    """The same questions with histories that do not know of `items`."""
    lines = queries.timelines
    count, start = _count(~items[lines.items]), lines.starts[queries.user]
    end = count[start + queries.end] - count[start]
    return Queries(_timelines(lines, items), queries.user, end, queries.time, queries.target)


def _count(kept: Mask) -> npt.NDArray[np.int64]:
    """[n + 1] how many are kept before each place."""
    return np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
