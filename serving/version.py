"""Which version an endpoint serves: the folder of its bytes, and the digest that names them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import digest

LABEL: Final = "digest"
"""Label of the BentoML model that holds the version's digest; the folder inside the model bears it as its name."""


class VersionError(ValueError):
    """A BentoML model that does not hold the version it says it holds."""


@dataclass(frozen=True)
class Version:
    """A servable's folder and digest."""

    folder: Path
    digest: str


def of_folder(folder: Path) -> Version:
    """The version that a servable's folder is; its digest is computed."""
    return Version(folder, digest.of_folder(folder))


def of_model(path: Path, label: str) -> Version:
    """The version inside a BentoML model: the folder `<path>/<digest>`.

    Args:
        path: the model's folder in BentoML's store or in a bento.
        label: the model's label `digest`.

    Raises:
        VersionError: there is no such folder, or its bytes are not those of its name.
    """
    folder = path / label
    if not label or not folder.is_dir():
        raise VersionError(f"{path}: must hold one folder named as its label {LABEL!r}. Received label: {label!r}")
    found = digest.of_folder(folder)
    if found != label:
        raise VersionError(f"{folder}: the bytes were changed after packaging, their digest is {found}. Package again")
    return Version(folder, found)
