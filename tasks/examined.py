"""Which bytes an evaluation is of: examined.json, so that nothing is promoted on another one's figures."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

import digest
import durable
from tasks.contenders import Contenders

FILE: Final = "examined.json"


class StaleError(ValueError):
    """A variant is another one than was evaluated or indexed; the message names it."""


def write(evaluation: Path, contenders: Contenders) -> None:
    """Writes subject -> digest of its folder."""
    durable.write_json(evaluation / FILE, {name: digest.of_folder(folder) for name, folder in contenders.subjects()})


def check(evaluation: Path, contenders: Contenders, subjects: Iterable[str]) -> None:
    """Compares some subjects' folders with those that were evaluated.

    Raises:
        StaleError: one of them was not evaluated, or is another one now.
    """
    path, folders = evaluation / FILE, dict(contenders.subjects())
    try:
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError) as error:
        raise StaleError(f"{path}: cannot be read: {error}. Run `dvc repro`") from error
    for name in subjects:
        if known.get(name) != digest.of_folder(folders[name]):
            raise StaleError(f"{folders[name]}: must be what {path} says was evaluated. It is another. Run `dvc repro`")
