"""A guard against leaks from the future: features must not change when the future is cut away.

If a feature's value as of a moment is built from what was known then, building it from a log that ends just before
that moment gives the same value, bit for bit. Whatever differs has looked ahead. The test needs no knowledge of how a
feature is built, so it also catches features that nobody has thought of yet.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from dataset.timelines import Log

AsOf = Callable[[int], npt.NDArray[np.generic]]
"""A feature's values as a model may read them at a moment, in seconds."""
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
        for name, feature in whole.items():
            expected, received = np.asarray(past[name](cut)), np.asarray(feature(cut))
            if not _same(expected, received):
                raise LeakError(
                    f"feature {name!r} at time {cut} changes when the interactions at and after that time are "
                    f"removed, so it reads the future. {_difference(expected, received)}"
                )


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
