"""Every model of train.models alone: `python -m benchmarks.families` writes docs/results/families.csv.

Each one as params.yaml has it, as trained, whether or not it is among `models`: what it is worth on validation, which
is what its settings were chosen by, and on the test. A value is the mean over three seeds; that of the test has the
bootstrap over users of each query's mean, that of validation the least and the most of a seed, which are one for what
nothing random is in. Fits are kept beside those of `python -m benchmarks.quality`, which takes part of them over.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm

import params
from benchmarks import quality, runs
from benchmarks.families_table import VALIDATION
from benchmarks.results import FOLDER, Result, span, write
from dataset.batches import CandidateFeatures
from dataset.query import Ints
from dataset.world import World
from evaluation.metrics import Values
from evaluation.protocol import Scorer
from evaluation.significance import Bootstrap, Interval
from scoring import folder as form_folder
from tasks.evaluate import examination

COMMAND: Final = "python -m benchmarks.families"
LABELS: Final = ("families", "movielens-100k", "temporal next-item")


def main(arguments: list[str]) -> int:
    """Trains what is not trained yet, and writes what each model is worth."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    settings = params.load()
    world, kept = World.read(settings.paths.features), quality.folders(settings)
    bootstrap = Bootstrap(settings.evaluate.bootstrap_samples, settings.evaluate.confidence, settings.seed)
    exam, results = examination(world, settings.evaluate), list[Result]()
    with tqdm(settings.train.models.items(), desc="families", unit="model") as progress:
        for name, chosen in progress:
            progress.set_postfix_str(name)
            for folder, seed in zip(kept, quality.SEEDS, strict=True):
                runs.run_step(quality.FILE, folder, seed, ("train", name))
            said = [runs.summary(folder, "train", name)["validation_ndcg_at_10"] for folder in kept]
            scorers = [_fitted(folder / "model" / name, world, chosen) for folder in kept]
            found = [exam.per_query(exam.take(scorer)) for scorer in scorers]
            results += rows(name, said, found, world.test.user, bootstrap)
    write(FOLDER / "families.csv", results)
    return 0


def rows(
    name: str, validation: Sequence[float], found: Sequence[dict[str, Values]], users: Ints, bootstrap: Bootstrap
) -> Iterator[Result]:
    """A model's figures.

    Args:
        name: the model's.
        validation: NDCG@10 there, of each seed.
        found: metric -> [n] that of each test query, of each seed.
        users: [n] whose query it was.
        bootstrap: of the intervals.
    """
    intervals: dict[str, Interval] = {VALIDATION: span(validation)}
    for metric in quality.METRICS:
        mean = np.mean([one[metric] for one in found], axis=0)
        intervals[metric] = bootstrap.mean(mean, users)
    for metric, one in intervals.items():
        value, low, high = float(one.value), float(one.low), float(one.high)
        yield Result(*LABELS, f"podium/{name}", metric, value, low, high, "1", COMMAND)


def _fitted(folder: Path, world: World, chosen: params.Neural | params.Baseline) -> Scorer:
    """What was trained on all that lies before the test, with the items as they were when it began."""
    place = folder / world.final.name
    if not isinstance(chosen, params.Neural):
        return form_folder.read(place)[1]
    from models import stored

    return stored.read(place).frozen(CandidateFeatures.catalogue(world.final.features, world.final.freeze))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
