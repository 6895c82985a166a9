"""Parity: whether a converted model lists what the unconverted one lists that carries the same, narrowed weights.

What is compared is the form as it would be served and Keras, on the same queries. Quality says what narrowing costs;
this says that nothing else was lost on the way, such as a tensor in the wrong place.
"""

from typing import Final

import numpy as np

from dataset.query import Floats
from models.compression.storage import Known, Storage
from models.stored import Retriever
from models.variants import NotCompressedError
from scoring.forms import Form

TOP: Final = 10
TIE: Final = 1e-3
"""Of the range of a query's scores: items that are no further apart may stand for each other."""
CHUNK: Final = 100
"""Queries at a time."""


class ParityError(NotCompressedError):
    """A converted model lists other items than the unconverted one."""


def check(name: str, form: Form, storage: Storage, model: Retriever, known: Known) -> None:
    """Compares a form with the model that it was made of, on all of `known.asked`.

    Raises:
        ParityError: fewer queries have the same ten best than `storage.parity` says.
    """
    if storage.parity is None:
        return
    unconverted = storage.unconverted(model, known)
    alike = np.concatenate(
        [
            same_best(form.scores(asked), unconverted.scores(asked))
            for asked in (known.asked[start : start + CHUNK] for start in range(0, len(known.asked), CHUNK))
        ]
    )
    if alike.mean() < storage.parity:
        raise ParityError(
            f"variant {name!r}: at least {storage.parity:.0%} of {len(alike)} queries must have the {TOP} best of the "
            f"unconverted model. Received: {alike.mean():.1%}"
        )


def same_best(served: Floats, unconverted: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """[n] whether the ten best by `served` [n, items] are ten best by `unconverted` [n, items], up to ties."""
    top = min(TOP, served.shape[1])
    best = np.argpartition(-served, top - 1, axis=1)[:, :top]
    least = -np.partition(-unconverted, top - 1, axis=1)[:, top - 1] - TIE * np.ptp(unconverted, axis=1)
    found = np.take_along_axis(unconverted, best, axis=1) >= least[:, None]
    alike: np.ndarray[tuple[int], np.dtype[np.bool_]] = found.all(axis=1)
    return alike
