"""Training windows changed at random, so that a sequence model cannot learn them by heart: crop, mask, reorder.

After Xie et al. 2022, "Contrastive learning for sequential recommendation" (CL4SRec, arXiv 2010.14395), who make two
views of a sequence and pull them together. Here the changed window takes the window's place, and what is learned stays
the next item, so a target must remain what came after the events that are seen:

crop     the oldest events of a window are cut off, up to this share of them, evenly drawn. A query that was to be
         answered from one of these is not asked this time; the others see a shorter history.
mask     each event's item is hidden with this probability: OOV stands in its place, which no history holds otherwise.
         Its position and its time stay. It is hidden from those who look back; as a target it is never hidden.
reorder  the items of a stretch of events, up to this share of the window, change places with each other; the times stay
         where they were. From inside the stretch a query could see the item that it asks for, which was moved forward,
         so it is not asked this time. From the stretch's newest event on, all that was in it lies in the past.

Only training windows are changed, in every epoch anew. A share of 0 does nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset.query import Ints, Longs
from dataset.vocabulary import OOV, PADDING

Mask = npt.NDArray[np.bool_]


class AugmentationError(ValueError):
    """A share that leaves nothing to learn from."""


@dataclass(frozen=True)
class Augmentation:
    """Shares of a window's events; see the module's head."""

    crop: float
    mask: float
    reorder: float

    def __post_init__(self) -> None:
        wrong = {name: share for name, share in vars(self).items() if not 0 <= share < 1}
        if wrong:
            raise AugmentationError(f"the shares of augment must be at least 0 and below 1. Received: {wrong}")

    @property
    def active(self) -> bool:
        """Whether anything is changed."""
        return self.crop > 0 or self.mask > 0 or self.reorder > 0


@dataclass(frozen=True)
class Changed:
    """Windows after the change."""

    items: Ints
    """[b, L]"""
    ages: Ints
    """[b, L]"""
    askable: Mask
    """[b, L] whether a query may be answered from an event."""


def change(items: Ints, ages: Ints, how: Augmentation, generator: np.random.Generator) -> Changed:
    """Changes windows.

    Args:
        items: [b, L] newest first, filled up with PADDING, as `dataset.windows.Windows.events` gives them.
        ages: [b, L]
        how: the shares.
        generator: of all that is drawn.
    """
    size = (items != PADDING).sum(axis=1)
    askable = np.ones(items.shape, np.bool_)
    # In this order, so that a stretch is within what is left, and what is hidden is hidden wherever it went.
    if how.crop:
        size = size - _drawn(how.crop * size, generator)
        kept = np.arange(items.shape[1]) < size[:, None]
        items, ages = np.where(kept, items, PADDING), np.where(kept, ages, 0)
        askable &= kept
    if how.reorder:
        items, inside = _reordered(items, size, _drawn(how.reorder * size, generator), generator)
        askable &= ~inside
    if how.mask:
        hidden = (generator.random(items.shape) < how.mask) & (items != PADDING)
        items = np.where(hidden, OOV, items)
    return Changed(items.astype(np.int32), ages.astype(np.int32), askable)


def _drawn(most: npt.NDArray[np.float64], generator: np.random.Generator) -> Longs:
    """[b] whole numbers from 0 to `most`, evenly drawn."""
    return generator.integers(0, np.floor(most).astype(np.int64) + 1)


def _reordered(items: Ints, size: Longs, length: Longs, generator: np.random.Generator) -> tuple[Ints, Mask]:
    """The items with a stretch of `length` [b] shuffled, and [b, L] from where a query could see ahead."""
    column = np.arange(items.shape[1])
    newest = generator.integers(0, size - length + 1)
    stretch = (column >= newest[:, None]) & (column < (newest + length)[:, None])
    # Sorted by random numbers within the stretch and by place everywhere else, so that only the stretch is mixed.
    place = np.where(stretch, newest[:, None] + generator.random(items.shape) * np.maximum(length, 1)[:, None], column)
    order = np.argsort(place, axis=1, kind="stable")
    return np.take_along_axis(items, order, axis=1), stretch & (column > newest[:, None])
