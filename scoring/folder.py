"""A form as a folder of plain files: manifest.json, and each array as an .npy of its own.

manifest.json          what it is: format, name, model, items, freeze, kind and settings of the form
<array>.npy            each array of the form (dots in names stand for themselves)
query_tower.tflite     raw bytes, because other tools read it
....gz                 either of them, gzipped, where that saves a tenth: few levels, many zeros, repeated structure
"""

import gzip
import io
import zlib
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
FORMAT: Final = 4
RAW: Final = ".tflite"
GZIPPED: Final = ".gz"
WORTH: Final = 0.9
"""Largest share of its bytes that a gzipped file may still have."""
SMALLEST: Final = 4096
"""Bytes of a file that is looked at."""
SAMPLE: Final = 1 << 20
"""Bytes by which a file is judged."""
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
    gzipped: list[str] = []
    """Those whose file is gzipped."""
    settings: dict[str, Any]
    """Of the form."""


def packed(form: Form) -> dict[str, bytes]:
    """File name -> bytes of each of a form's arrays, in order of the names: what `write` writes beside the manifest."""
    found: dict[str, bytes] = {}
    for key, array in form.arrays().items():
        file, data = _file(key), _bytes(key, array)
        if _worth_it(data):
            file, data = f"{file}{GZIPPED}", gzip.compress(data, mtime=0)
        found[file] = data
    return dict(sorted(found.items()))


def write(folder: Path, form: Form, *, model: str, name: str, items: int, freeze: int) -> None:
    """Writes a form; the bytes depend on the arguments alone."""
    files = packed(form)
    for path, data in files.items():
        durable.write_bytes(folder / path, data)
    keys = sorted(form.arrays())
    manifest = Manifest(
        format=FORMAT,
        model=model,
        name=name,
        items=items,
        freeze=freeze,
        kind=form.KIND,
        arrays=keys,
        gzipped=[key for key in keys if f"{_file(key)}{GZIPPED}" in files],
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
        arrays = {key: _array(folder, key, gzipped=key in manifest.gzipped) for key in manifest.arrays}
    except (OSError, ValueError, EOFError, zlib.error) as error:  # msgspec's and numpy's own errors are ValueErrors
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
    return {MANIFEST} | {_file(key) + GZIPPED * (key in manifest.gzipped) for key in manifest.arrays}


def _file(key: str) -> str:
    return key if key.endswith(RAW) else f"{key}.npy"


def _bytes(key: str, array: npt.NDArray[Any]) -> bytes:
    if key.endswith(RAW):
        return array.tobytes()
    member = io.BytesIO()
    np.save(member, array, allow_pickle=False)
    return member.getvalue()


def _worth_it(plain: bytes) -> bool:
    sample = plain[:SAMPLE]
    return len(plain) >= SMALLEST and len(gzip.compress(sample, mtime=0)) <= WORTH * len(sample)


def _array(folder: Path, key: str, *, gzipped: bool) -> npt.NDArray[Any]:
    if gzipped:
        plain = gzip.decompress((folder / f"{_file(key)}{GZIPPED}").read_bytes())
    else:
        plain = (folder / _file(key)).read_bytes()
    if key.endswith(RAW):
        return np.frombuffer(plain, np.uint8)
    found: npt.NDArray[Any] = np.load(io.BytesIO(plain), allow_pickle=False)
    return found
