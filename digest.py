"""Content digests: the name of a thing is the SHA-256 of its bytes."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path


class ArtefactError(ValueError):
    """A folder holds something that is no plain file; the message names it."""


def of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_files(folder: Path) -> dict[str, str]:
    """Relative POSIX path -> SHA-256 of every file below `folder`, sorted by path.

    Raises:
        ArtefactError: the folder holds a symbolic link or another thing that is not a plain file.
    """
    digests: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArtefactError(f"{path}: only plain files may be in an artefact, no links or devices")
        if path.is_file():
            digests[path.relative_to(folder).as_posix()] = of_file(path)
    return digests


def of_folder(folder: Path) -> str:
    """One SHA-256 for a whole folder: of its sorted `digest  path` lines, as `sha256sum` prints them."""
    return _of_lines(of_files(folder))


def of_list(paths: Iterable[Path], root: Path) -> str:
    """The same for a choice of files below `root`, in the order given."""
    return _of_lines({path.relative_to(root).as_posix(): of_file(path) for path in paths})


def _of_lines(digests: Mapping[str, str]) -> str:
    lines = "".join(f"{value}  {name}\n" for name, value in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()
