"""A form as a folder of plain files: manifest.json, and each array as an .npy of its own, so that it can be mapped.

manifest.json          what it is: format, name, model, items, freeze, kind and settings of the form
<array>.npy            each array of the form (dots in names stand for themselves)
query_tower.tflite     raw bytes, because other tools read it
"""

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

import durable
from scoring.blend import Blend
from scoring.forms import Form, FormError
from scoring.kinds import SIMPLE
from scoring.two_stage import TwoStage

MANIFEST: Final = "manifest.json"
FORMAT: Final = 2
RAW: Final = ".tflite"
KINDS: Final[dict[str, type[Form]]] = {**SIMPLE, Blend.KIND: Blend, TwoStage.KIND: TwoStage}


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a form says about itself."""

    format: int
    model: str
    """Which model it is, such as `two-tower`."""
    name: str
    """The variant, such as `pruned-int8`."""
    items: int
    """Length of the item vocabulary, the two reserved entries included."""
    freeze: int
    """Nothing at or after this moment was learned, seconds since 1970-01-01 UTC."""
    kind: str
    arrays: list[str]
    """Names of the form's arrays."""
    settings: dict[str, Any]
    """Of the form."""


def write(folder: Path, form: Form, *, model: str, name: str, items: int, freeze: int) -> None:
    """Writes a form; the bytes depend on the arguments alone."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = form.arrays()
    for key, array in arrays.items():
        if key.endswith(RAW):
            durable.write_bytes(folder / key, array.tobytes())
        else:
            np.save(folder / f"{key}.npy", array, allow_pickle=False)
    manifest = Manifest(
        format=FORMAT,
        model=model,
        name=name,
        items=items,
        freeze=freeze,
        kind=form.KIND,
        arrays=sorted(arrays),
        settings=form.settings(),
    )
    durable.write_json(folder / MANIFEST, manifest)


def read(folder: Path) -> tuple[Manifest, Form]:
    """Reads what `write` wrote.

    Raises:
        FormError: a file is missing, unreadable, of another format, or does not fit the others.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        arrays = {key: _array(folder, key) for key in manifest.arrays}
    except (OSError, ValueError, EOFError) as error:  # msgspec's and numpy's own errors are ValueErrors
        raise FormError(f"{folder}: the model part cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise FormError(f"{folder / MANIFEST}: format must be {FORMAT}. Received: {manifest.format}")
    if manifest.kind not in KINDS:
        raise FormError(f"{folder / MANIFEST}: kind must be one of {sorted(KINDS)}. Received: {manifest.kind!r}")
    try:
        form = KINDS[manifest.kind].of(arrays, manifest.settings)
    except FormError as error:
        raise FormError(f"{folder}: {error}") from error
    except (KeyError, TypeError) as error:
        raise FormError(f"{folder / MANIFEST}: a setting is missing or wrong: {error}") from error
    return manifest, form


def files(manifest: Manifest) -> set[str]:
    """Names of the files that a form consists of, the manifest included."""
    return {MANIFEST} | {key if key.endswith(RAW) else f"{key}.npy" for key in manifest.arrays}


def _array(folder: Path, key: str) -> npt.NDArray[Any]:
    if key.endswith(RAW):
        return np.frombuffer((folder / key).read_bytes(), np.uint8)
    found: npt.NDArray[Any] = np.load(folder / f"{key}.npy", allow_pickle=False)
    return found
