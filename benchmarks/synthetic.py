"""A servable of any size: the two-tower model with random weights in the form that is served, and random histories.

What an answer costs depends on sizes and not on what was learned. Takes TensorFlow, so it is run in a process of its
own: `python -m benchmarks.synthetic FOLDER ITEMS USERS`.
"""

import sys
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

import params
from dataset.batches import CandidateFeatures
from dataset.query import Queries, Timelines
from dataset.vocabulary import OOV, Vocabulary
from models import architecture, stored
from models.architecture import Architecture
from models.compression.storage import STORAGES, Known
from scoring import folder as form_folder
from serving import servable

MODEL: Final = "two-tower"
STORAGE: Final = "tied-8"
HISTORY: Final = 50
"""Interactions of each user."""
FREEZE: Final = 1_700_000_000
SEED: Final = 7


def write(folder: Path, items: int, users: int, trained: Path) -> None:
    """Writes the servable.

    Args:
        folder: where to; it is made.
        items: of the catalogue, named by numbers from 0.
        users: named by numbers from 0, each with a history.
        trained: folder of a trained two-tower model, whose sizes are taken over.
    """
    random, known = np.random.default_rng(SEED), architecture.read(trained / "architecture.json")
    assert isinstance(known, Architecture), f"{trained}: must hold a two-tower model. Received: {type(known).__name__}"
    vocabulary = Vocabulary.of(map(str, range(items)))
    shape = msgspec.structs.replace(known, num_items=len(vocabulary))
    catalogue = np.arange(len(vocabulary)) > OOV
    taken = random.integers(OOV + 1, len(vocabulary), users * HISTORY).astype(np.int32)
    times = np.tile(FREEZE - 3600 * np.arange(HISTORY, 0, -1), users)
    timelines = Timelines(np.arange(users + 1) * HISTORY, taken, times)
    form = STORAGES[STORAGE].form(stored.build(shape), _known(shape, random, timelines))
    form_folder.write(folder, form, model=MODEL, name=STORAGE, items=len(vocabulary), freeze=FREEZE)
    servable.write_data(
        folder,
        vocabulary=vocabulary,
        titles=[f"Title {name}" for name in vocabulary.ids],
        categories=Vocabulary.of(()),
        item_categories=np.zeros((len(vocabulary), 1), np.int32),
        catalogue=catalogue,
        popular=random.permutation(np.flatnonzero(catalogue)).astype(np.int32),
        users=list(map(str, range(users))),
        timelines=timelines,
    )


def _known(shape: Architecture, random: np.random.Generator, timelines: Timelines) -> Known:
    count = shape.num_items
    features = CandidateFeatures(
        item=np.arange(count, dtype=np.int32),
        categories=random.integers(0, shape.num_categories, (count, shape.categories_per_item)).astype(np.int32),
        year=random.random((count, 1), np.float32),
        popularity=random.random((count, shape.popularity_windows), np.float32),
        dense=random.random((count, shape.dense), np.float32),
    )
    nobody = np.zeros(0, np.int32)
    asked = Queries(timelines, nobody, nobody.astype(np.int64), nobody.astype(np.int64), nobody)
    return Known(features, np.bincount(timelines.items, minlength=count).astype(np.int64), asked)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), params.load().paths.model / MODEL / "final")
