"""A vocabulary gives every known id an index, and every other id the same one.

Index 0 is padding and index 1 stands for whatever is out of vocabulary (OOV), so real entries start at 2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

import durable

PADDING: Final = 0
OOV: Final = 1
RESERVED: Final = ("<padding>", "<oov>")


class VocabularyError(ValueError):
    """Ids that cannot be told apart, or a file that holds no vocabulary."""


@dataclass(frozen=True)
class Vocabulary:
    """Ids in index order, the two reserved entries first."""

    ids: tuple[str, ...]
    _index: dict[str, int]

    @classmethod
    def of(cls, known: Iterable[str]) -> "Vocabulary":
        """Builds a vocabulary from distinct ids, kept in the order given.

        Raises:
            VocabularyError: an id occurs twice or is one of the reserved names.
        """
        ids = (*RESERVED, *known)
        index = {name: position for position, name in enumerate(ids)}
        if len(index) != len(ids):
            repeated = next(name for position, name in enumerate(ids) if index[name] != position)
            raise VocabularyError(f"vocabulary ids must be distinct and not reserved. Received twice: {repeated!r}")
        return cls(ids, index)

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Reads what `write` wrote.

        Raises:
            VocabularyError: the file is no list of texts or does not start with the reserved two.
        """
        try:
            ids = msgspec.json.decode(path.read_bytes(), type=list[str])
        except msgspec.DecodeError as error:
            raise VocabularyError(f"{path}: not a vocabulary: {error}") from error
        if tuple(ids[: len(RESERVED)]) != RESERVED:
            raise VocabularyError(f"{path}: a vocabulary starts with {RESERVED}. Received: {ids[:2]}")
        return cls.of(ids[len(RESERVED) :])

    def write(self, path: Path) -> None:
        """Writes the ids as a JSON array in index order."""
        durable.write_bytes(path, msgspec.json.encode(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def known(self, names: Sequence[str]) -> list[int]:
        """Indices of those of `names` that are known, in their order."""
        find = self._index.get
        return [index for name in names if (index := find(name, OOV)) > OOV]

    def index(self, names: Sequence[str]) -> npt.NDArray[np.int32]:
        """Indices of `names`, `OOV` for the unknown ones; int32, same length."""
        return np.fromiter((self._index.get(name, OOV) for name in names), np.int32, len(names))
