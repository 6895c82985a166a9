"""A servable: the folder that one version of a recommender consists of, and the only thing the endpoint reads.

    manifest.json       format, name, history_length, embedding_dim, items, freeze (see `Manifest`)
    query_tower.tflite  history int32 [b, history_length] (newest first, padded), context float32 [b, c] -> [b, d]
    item_vectors.npy    float32 [items, d], or int8 with
    item_scales.npy     float32 [items], so that a vector is its row times its scale
    items.json          item vocabulary                     titles.json   title of each item
    catalogue.npy       bool [items], what may be recommended
    popular.npy         int32, the catalogue, most popular recently first
    users.json          user ids                            timelines.npz histories up to the freeze, by user

The first four are the model part, written by `models.export`; the others are the data part, written by `write_data`.
No pickle, no code: arrays, JSON and a LiteRT flatbuffer.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

import durable
from dataset.query import Ints, Timelines
from dataset.vocabulary import OOV, Vocabulary

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
TOWER: Final = "query_tower.tflite"
VECTORS: Final = "item_vectors.npy"
SCALES: Final = "item_scales.npy"


class ServableError(ValueError):
    """A servable that cannot be served; the message names file and rule."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a version says about itself."""

    format: int
    name: str
    """The variant, such as `pruned-int8`."""
    history_length: int
    embedding_dim: int
    items: int
    """Length of the item vocabulary, the two reserved entries included."""
    freeze: int
    """Nothing at or after this moment was learned, seconds since 1970-01-01 UTC."""


@dataclass(frozen=True)
class Model:
    """The model part."""

    manifest: Manifest
    tower: bytes
    """LiteRT flatbuffer."""
    vectors: npt.NDArray[Any]
    """[items, d], float32 or int8."""
    scales: npt.NDArray[np.float32] | None
    """[items] when the vectors are int8."""


@dataclass(frozen=True)
class Servable:
    """A whole version in memory."""

    model: Model
    vocabulary: Vocabulary
    titles: list[str]
    catalogue: npt.NDArray[np.bool_]
    popular: Ints
    users: dict[str, int]
    timelines: Timelines

    @property
    def manifest(self) -> Manifest:
        """What the version says about itself."""
        return self.model.manifest


def write_data(
    folder: Path,
    *,
    vocabulary: Vocabulary,
    titles: list[str],
    catalogue: npt.NDArray[np.bool_],
    popular: Ints,
    users: list[str],
    timelines: Timelines,
) -> None:
    """Writes the data part; see the module's head for the meaning of each file."""
    vocabulary.write(folder / "items.json")
    durable.write_bytes(folder / "titles.json", msgspec.json.encode(titles))
    durable.write_bytes(folder / "users.json", msgspec.json.encode(users))
    np.save(folder / "catalogue.npy", catalogue)
    np.save(folder / "popular.npy", popular.astype(np.int32))
    timelines.write(folder / "timelines.npz")


def read_model(folder: Path) -> Model:
    """Reads the model part.

    Raises:
        ServableError: a file is missing, of another format, or does not fit the manifest.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        tower = (folder / TOWER).read_bytes()
        vectors = np.load(folder / VECTORS, allow_pickle=False)
        scales = np.load(folder / SCALES, allow_pickle=False) if vectors.dtype == np.int8 else None
    except (OSError, ValueError, EOFError) as error:  # msgspec's and numpy's own errors are ValueErrors
        raise ServableError(f"{folder}: the model part cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise ServableError(f"{folder / MANIFEST}: format must be {FORMAT}. Received: {manifest.format}")
    _require(folder / VECTORS, "shape", vectors.shape, (manifest.items, manifest.embedding_dim))
    _require(folder / VECTORS, "type is int8 or float32", vectors.dtype in (np.int8, np.float32), True)
    if scales is not None:
        _require(folder / SCALES, "shape", scales.shape, (manifest.items,))
    if not np.isfinite(vectors if scales is None else scales).all():
        raise ServableError(f"{folder}: item vectors must be finite")
    return Model(manifest, tower, vectors, scales)


def read(folder: Path) -> Servable:
    """Reads a whole version.

    Raises:
        ServableError: a file is missing, unreadable, or does not fit the others.
    """
    model = read_model(folder)
    try:
        users = msgspec.json.decode((folder / "users.json").read_bytes(), type=list[str])
        servable = Servable(
            model=model,
            vocabulary=Vocabulary.read(folder / "items.json"),
            titles=msgspec.json.decode((folder / "titles.json").read_bytes(), type=list[str]),
            catalogue=np.load(folder / "catalogue.npy", allow_pickle=False),
            popular=np.load(folder / "popular.npy", allow_pickle=False),
            users={name: index for index, name in enumerate(users)},
            timelines=Timelines.read(folder / "timelines.npz"),
        )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ServableError(f"{folder}: the data part cannot be read: {error}") from error
    items = model.manifest.items
    _require(folder / "items.json", "length", len(servable.vocabulary), items)
    _require(folder / "titles.json", "length", len(servable.titles), items)
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


def _require(path: Path, what: str, received: object, expected: object) -> None:
    if received != expected:
        raise ServableError(f"{path}: {what} must be {str(expected)[:80]}. Received: {str(received)[:80]}")
