"""Fitting a ranker to shortlists.

The learning rate falls to zero, so that the weights are not the luck of the last batches (Adam, cosine schedule;
Loshchilov and Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts", ICLR).
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from dataset.query import Floats
from models import device
from models.fit import batches, fit
from models.ranking import Ranker, RankerShape, exported
from models.shortlists import Shortlists
from scoring.cross_network import CrossNetwork

CUTOFF: Final = 10
"""Of the NDCG that stops a fit."""
CHECKED: Final = 512
"""Lists that are ranked at a time."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a ranker learns."""

    epochs: int
    patience: int
    """Epochs without a better NDCG before a fit that is checked stops."""
    batch_size: int
    """Lists; all of them where there are fewer."""
    learning_rate: float
    """At the start."""
    seed: int


@dataclass(frozen=True)
class Learned:
    """A ranker and how it came to be."""

    ranker: CrossNetwork
    epochs: int
    """Of its weights."""


def learn(
    lists: Shortlists, shape: RankerShape, schedule: Schedule, *, check: Shortlists | None, label: str
) -> Learned:
    """Fits a ranker to lists; the same seed gives the same weights.

    Args:
        lists: what it learns from.
        shape: its sizes; the second task is left out where the lists have no weights.
        schedule: epochs and steps.
        check: lists whose NDCG stops it; None learns for all epochs.
        label: what the progress bar says.

    Raises:
        models.fit.DivergedError: the loss or a weight became NaN or infinite.
    """
    shape = shape if lists.weighted else replace(shape, weight_loss=0.0)
    mean, scale = lists.scaling
    arrays = lists.arrays(mean, scale)
    checked = check.arrays(mean, scale) if check else None
    device.seed_everything(schedule.seed)
    with device.scope():
        model = Ranker(shape)
        data = batches(arrays, batch_size=min(schedule.batch_size, len(lists)), seed=schedule.seed)
        falling = keras.optimizers.schedules.CosineDecay(schedule.learning_rate, schedule.epochs * data.steps)
        found = fit(
            model,
            data,
            optimizer=keras.optimizers.Adam(falling),
            epochs=schedule.epochs,
            patience=schedule.patience,
            validate=(lambda: ndcg(model, checked)) if checked else None,
            label=label,
        )
    return Learned(exported(model, mean=mean, scale=scale), found.epochs)


def ndcg(model: Ranker, arrays: dict[str, npt.NDArray[Any]]) -> float:
    """Mean NDCG@10 of lists that hold their item, ties against it."""
    gains = []
    for start in range(0, len(arrays["taken"]), CHECKED):
        batch = {name: array[start : start + CHECKED] for name, array in arrays.items()}
        logits: Floats = np.asarray(model.logits(batch)[0])
        place = (logits >= np.take_along_axis(logits, batch["taken"][:, None], axis=1)).sum(axis=1)
        gains.append(np.where(place <= CUTOFF, 1 / np.log2(place + 1), 0.0))
    return float(np.concatenate(gains).mean())
