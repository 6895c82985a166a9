"""A guard against leaks from the future: features must not change when the future is cut away.

If a feature's value as of a moment is built from what was known then, building it from a log that ends just before
that moment gives the same value, bit for bit. Whatever differs has looked ahead. The test needs no knowledge of how a
feature is built, so it also catches features that nobody has thought of yet.

In the leave-one-out protocol moments mean nothing: other users' later interactions may be known, what is held out may
not, whenever it was. There the features of a part are compared with those of a log that ends, for each user, before it.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from dataset.split import PARTS, TEST, VALIDATION
from dataset.timelines import Log

AsOf = Callable[[int], npt.NDArray[np.generic]]
"""A feature's values as a model may read them at a moment, in seconds, or when it is asked a part."""
Parts = npt.NDArray[np.int8]
"""[interactions] which part each belongs to, see `dataset.split`."""
Build = Callable[[Log], Mapping[str, AsOf]]
"""Builds all features, by name, from a log."""


class LeakError(ValueError):
    """A feature knows something of the future; the message names it and the moment."""


def check_point_in_time(build: Build, log: Log, cuts: Iterable[int]) -> None:
    """Compares each feature at each cut with the same feature built without anything at or after the cut.

    Args:
        build: the very function that makes the features.
        log: all interactions.
        cuts: moments, best those of interactions, so that "at" and "before" differ.

    Raises:
        LeakError: a value differs.
    """
    whole = build(log)
    for cut in cuts:
        past = build(log.before(cut))
        _compare(past, whole, cut, f"at time {cut} changes when the interactions at and after that time are removed")


def check_held_out(build: Callable[[Log, Parts], Mapping[str, AsOf]], log: Log, parts: Parts) -> None:
    """Compares each feature, as it is read when a part is asked, with the same feature built without that part.

    Args:
        build: the very function that makes the features, from interactions and their parts.
        log: all interactions.
        parts: [interactions]

    Raises:
        LeakError: a value differs.
    """
    whole = build(log, parts)
    for part in (VALIDATION, TEST):
        known = parts < part
        past = build(log[known], parts[known])
        _compare(past, whole, part, f"for the {PARTS[part]} changes when what is held out for it is removed")


def _compare(past: Mapping[str, AsOf], whole: Mapping[str, AsOf], cut: int, what: str) -> None:
    for name, feature in whole.items():
        expected, received = np.asarray(past[name](cut)), np.asarray(feature(cut))
        if not _same(expected, received):
            raise LeakError(f"feature {name!r} {what}, so it reads the future. {_difference(expected, received)}")


def _same(expected: npt.NDArray[np.generic], received: npt.NDArray[np.generic]) -> bool:
    return (
        expected.shape == received.shape
        and expected.dtype == received.dtype
        and expected.tobytes() == received.tobytes()
    )


def _difference(expected: npt.NDArray[np.generic], received: npt.NDArray[np.generic]) -> str:
    if expected.shape != received.shape or expected.dtype != received.dtype:
        return f"Without: {expected.dtype}{expected.shape}. Received: {received.dtype}{received.shape}"
    place = tuple(int(index) for index in np.argwhere(expected != received)[0])
    return f"First difference at {place}: without {expected[place]}, received {received[place]}"
