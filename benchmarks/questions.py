"""What the serving benchmarks serve and ask: a trained model as a servable, and requests of real users."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

import durable
import params
from dataset.query import Longs, Queries
from dataset.world import World
from models.variants import Variants
from serving.messages import LARGEST_HISTORY
from tasks.assemble import assemble

LIST_LENGTH: Final = 10
COUNT: Final = 10_000


class ModelError(ValueError):
    """A model that has not been made; the message says how it is."""


def world(settings: params.Params) -> World:
    """The features.

    Raises:
        ModelError: there are none.
    """
    if not (settings.paths.features / "items.json").exists():
        raise ModelError(f"{settings.paths.features}: no features. Make them: dvc repro")
    return World.read(settings.paths.features)


def variant(settings: params.Params, model: str) -> Path:
    """Folder of the variant of a model that would be served.

    Raises:
        ModelError: the model has no variants.
    """
    paths = settings.paths
    for folder in (paths.variants / model, paths.blend / model, paths.rank / model):
        if (folder / "variants.json").exists():
            return folder / "final" / Variants.read(folder).chosen
    raise ModelError(f"{model}: no variants in {paths.variants}, {paths.blend} or {paths.rank}. Make them: dvc repro")


def servable(settings: params.Params, world: World, model: str, folder: Path) -> Path:
    """Puts a model and what was known when the test began together in `folder`, which is made."""
    folder.mkdir(parents=True)
    days, index = settings.evaluate.recent_popularity_days, settings.paths.index / model
    assemble(folder, world, variant(settings, model), recent_popularity_days=days, index=index)
    return folder


def savedmodel(model: str, folder: Path) -> Path:
    """The trained model as a SavedModel in `folder`, made by a process of its own because it takes TensorFlow."""
    command = [sys.executable, "-m", "benchmarks.endpoints.export_savedmodel", model, str(folder)]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(command, check=True, env=os.environ | quiet, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return folder


def is_neural(settings: params.Params, model: str) -> bool:
    """Whether there is a SavedModel to be made of it."""
    return (settings.paths.model / model / "final" / "architecture.json").exists()


def write(path: Path, world: World, *, seed: int, count: int = COUNT) -> Path:
    """Writes requests in random order, one JSON body a line: half of them known users, half strangers with a history.

    Args:
        path: where to.
        world: the features.
        seed: of users and order.
        count: of requests. Strangers bring the whole history of a test query, so that lengths are real ones.
    """
    random = np.random.default_rng(seed)
    known = np.flatnonzero(np.diff(world.final.known.starts))
    users: list[dict[str, Any]] = [{"user_id": world.users[user]} for user in random.choice(known, count // 2)]
    rows = random.permutation(np.flatnonzero(world.test.end > 0))
    strangers = [{"history": _history(world, world.test, row)} for row in np.resize(rows, count - len(users))]
    bodies = [msgspec.json.encode(body | {"k": LIST_LENGTH}) for body in (*users, *strangers)]
    durable.write_bytes(path, b"".join(bodies[place] + b"\n" for place in random.permutation(count)))
    return path


def _history(world: World, queries: Queries, row: int) -> list[str]:
    user, end = int(queries.user[row]), int(queries.end[row])
    first: Longs = world.timelines.starts[user]
    items = world.timelines.items[first : first + end][-LARGEST_HISTORY:]
    return [world.items.ids[item] for item in items]
