"""A servable: the folder that one version of a recommender consists of, and the only thing the endpoint reads.

    manifest.json and the form's files, see `scoring.folder`
    items.json          item vocabulary                     titles.json   title of each item
    catalogue.npy       bool [items], what may be recommended
    popular.npy         int32, the catalogue, most popular recently first
    index.json          and the files beside it, of a catalogue that is too large to be searched exactly
    users.json          user ids                            timelines.npz histories up to the freeze, by user
    categories.json     category vocabulary                 item_categories.npy   int32 [items, c], 0 fills up

The first line is the model part, the others are the data part, written by `write_data`. No pickle, no code: arrays,
JSON and, for a neural model, a LiteRT flatbuffer.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

import durable
from dataset.query import Ints, Timelines, ask
from dataset.vocabulary import OOV, PADDING, Vocabulary
from scoring import folder as form_folder
from scoring.folder import Manifest
from scoring.forms import Form, FormError
from scoring.tied import Tied
from scoring.tower import Tower

if TYPE_CHECKING:
    from scoring.nearest import Nearest


class ServableError(ValueError):
    """A servable that cannot be served; the message names file and rule."""


@dataclass(frozen=True)
class Servable:
    """A whole version in memory."""

    manifest: Manifest
    form: Form
    vocabulary: Vocabulary
    titles: list[str]
    categories: Vocabulary
    item_categories: Ints
    catalogue: npt.NDArray[np.bool_]
    popular: Ints
    users: dict[str, int]
    timelines: Timelines
    nearest: "Nearest | None" = None
    """The index over the form's item vectors; None where all items are scored."""


def write_data(
    folder: Path,
    *,
    vocabulary: Vocabulary,
    titles: list[str],
    categories: Vocabulary,
    item_categories: Ints,
    catalogue: npt.NDArray[np.bool_],
    popular: Ints,
    users: list[str],
    timelines: Timelines,
) -> None:
    """Writes the data part; see the module's head for the meaning of each file."""
    vocabulary.write(folder / "items.json")
    categories.write(folder / "categories.json")
    np.save(folder / "item_categories.npy", item_categories.astype(np.int32))
    durable.write_bytes(folder / "titles.json", msgspec.json.encode(titles))
    durable.write_bytes(folder / "users.json", msgspec.json.encode(users))
    np.save(folder / "catalogue.npy", catalogue)
    np.save(folder / "popular.npy", popular.astype(np.int32))
    timelines.write(folder / "timelines.npz")


def read(folder: Path) -> Servable:
    """Reads a whole version.

    Raises:
        ServableError: a file is missing, unreadable, or does not fit the others.
    """
    try:
        manifest, form = form_folder.read(folder)
        users = msgspec.json.decode((folder / "users.json").read_bytes(), type=list[str])
        servable = Servable(
            manifest=manifest,
            form=form,
            vocabulary=Vocabulary.read(folder / "items.json"),
            titles=msgspec.json.decode((folder / "titles.json").read_bytes(), type=list[str]),
            categories=Vocabulary.read(folder / "categories.json"),
            item_categories=np.load(folder / "item_categories.npy", allow_pickle=False),
            catalogue=np.load(folder / "catalogue.npy", allow_pickle=False),
            popular=np.load(folder / "popular.npy", allow_pickle=False),
            users={name: index for index, name in enumerate(users)},
            timelines=Timelines.read(folder / "timelines.npz"),
            nearest=_index(folder, form, manifest.items),
        )
    except FormError as error:
        raise ServableError(str(error)) from error
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ServableError(f"{folder}: the data part cannot be read: {error}") from error
    items = manifest.items
    _require(folder / "items.json", "length", len(servable.vocabulary), items)
    _require(folder / "titles.json", "length", len(servable.titles), items)
    _require_categories(folder / "item_categories.npy", servable)
    if servable.nearest is None and isinstance(form, Tower | Tied):
        _require(folder, "item vectors", len(form.item_vectors), items)
    _require(
        folder / "catalogue.npy",
        "shape and type",
        (servable.catalogue.shape, servable.catalogue.dtype.kind),
        ((items,), "b"),
    )
    _require(folder / "users.json", "distinct ids", len(servable.users), len(servable.timelines.starts) - 1)
    _require(folder / "popular.npy", "items", sorted(servable.popular), np.flatnonzero(servable.catalogue).tolist())
    _require(folder / "catalogue.npy", "reserved items recommended", bool(servable.catalogue[: OOV + 1].any()), False)
    return servable


def _index(folder: Path, form: Form, items: int) -> "Nearest | None":
    """The index, if there is one; its library is loaded only then."""
    if not (folder / "index.json").exists():
        return None
    from scoring import index_folder

    record, nearest = index_folder.read(folder)
    if nearest is not None and not (isinstance(form, Tower | Tied) and _fits(form, items, nearest)):
        raise FormError(f"{folder / 'index.json'}: must be of the form beside it. Received: {record.items} items")
    return nearest


def _fits(form: Tower | Tied, items: int, nearest: "Nearest") -> bool:
    """Whether an index can be asked; found out without the items' vectors, whose memory it spares."""
    asked = ask(np.array([OOV], np.int32), np.zeros(1, np.int64), 0)
    return nearest.table.shape == (items, form.query_vectors(asked).shape[1])


def _require_categories(path: Path, servable: Servable) -> None:
    found = servable.item_categories
    _require(path, "dimensions and type", (found.ndim, found.dtype.kind), (2, "i"))
    _require(path, "rows", len(found), servable.manifest.items)
    known = bool(((found >= PADDING) & (found < len(servable.categories))).all())
    _require(path, f"all from 0 to {len(servable.categories) - 1}", known, True)


def _require(path: Path, what: str, received: object, expected: object) -> None:
    if received != expected:
        raise ServableError(f"{path}: {what} must be {str(expected)[:80]}. Received: {str(received)[:80]}")
