"""assemble: a variant's model part and what was known when the test began, put together as a whole servable."""

import shutil
from pathlib import Path

import numpy as np

import digest
from dataset.query import DAY_SECONDS, Timelines
from dataset.world import World
from models.baselines import popularity
from scoring import index_folder
from scoring.index_folder import RECORD
from scoring.nearest import FILES
from serving import servable
from tasks.examined import StaleError


def assemble(
    folder: Path, world: World, model: Path, *, recent_popularity_days: int, index: Path | None = None
) -> None:
    """Fills `folder`, which exists and is empty; the bytes depend on the arguments alone.

    Args:
        folder: where to.
        world: the features.
        model: a variant's folder.
        recent_popularity_days: window of the list that is shown to those of whom nothing is known.
        index: what the stage of that name made of the variant; None, or not there, for forms that it knows nothing of.

    Raises:
        scoring.forms.FormError: the index cannot be read.
        tasks.examined.StaleError: the index was made of another variant.
    """
    fold = world.final
    for path in model.iterdir():
        shutil.copyfile(path, folder / path.name)
    if index is not None and index.exists():
        _add_index(folder, index, model)
    users, known = _with_history(world.users, fold.known)
    window = recent_popularity_days * DAY_SECONDS
    recent = popularity.counts(known, len(world.items), freeze=fold.freeze, window_seconds=window)
    order = np.lexsort([-fold.counts, -recent])
    servable.write_data(
        folder,
        vocabulary=world.items,
        titles=world.titles,
        categories=world.categories,
        item_categories=world.features.categories,
        catalogue=fold.catalogue,
        popular=order[fold.catalogue[order]].astype(np.int32),
        users=users,
        timelines=known,
    )


def _add_index(folder: Path, index: Path, model: Path) -> None:
    """Copies a variant's index, unless the search is exact."""
    record, _ = index_folder.read(index)
    if record.digest != digest.of_folder(model):
        raise StaleError(f"{index / RECORD}: must be of {model} as it is now. It is of another. Run `dvc repro`")
    if not record.exact:
        for name in (*FILES, RECORD):
            shutil.copyfile(index / name, folder / name)


def _with_history(users: list[str], lines: Timelines) -> tuple[list[str], Timelines]:
    """Without the users of whom nothing was known yet; they own no interactions, so only the bounds change."""
    kept = np.flatnonzero(np.diff(lines.starts))
    bounds = np.append(lines.starts[kept], lines.starts[-1])
    return [users[index] for index in kept], Timelines(bounds, lines.items, lines.times)
