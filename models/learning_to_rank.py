"""Fitting a ranker to shortlists.

It learns for a fixed number of epochs while the learning rate falls to zero, so that its weights are not the luck of
the last batches (Adam, cosine schedule; Loshchilov and Hutter 2017, "SGDR: Stochastic gradient descent with warm
restarts", ICLR). To stop by a part of so few lists is luck again, and on MovieLens-100K costs a part of the gain.
"""

from dataclasses import dataclass, replace

import tf_keras as keras

from models import device
from models.fit import batches, fit
from models.ranking import Ranker, RankerShape, exported
from models.shortlists import Shortlists
from scoring.cross_network import CrossNetwork


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a ranker learns."""

    epochs: int
    batch_size: int
    """Lists; all of them where there are fewer."""
    learning_rate: float
    """At the start."""
    seed: int


def learn(lists: Shortlists, shape: RankerShape, schedule: Schedule, *, label: str) -> CrossNetwork:
    """Fits a ranker to lists; the same seed gives the same weights.

    Args:
        lists: what it learns from, at least one.
        shape: its sizes; the second task is left out where the lists have no weights.
        schedule: epochs and steps.
        label: what the progress bar says.

    Raises:
        models.fit.DivergedError: the loss or a weight became NaN or infinite.
    """
    shape = shape if lists.weighted else replace(shape, weight_loss=0.0)
    device.seed_everything(schedule.seed)
    with device.scope():
        model = Ranker(shape, *lists.scaling)
        data = batches(lists.arrays(), batch_size=min(schedule.batch_size, len(lists)), seed=schedule.seed)
        falling = keras.optimizers.schedules.CosineDecay(schedule.learning_rate, schedule.epochs * data.steps)
        fit(
            model,
            data,
            optimizer=keras.optimizers.Adam(falling),
            epochs=schedule.epochs,
            patience=schedule.epochs,
            validate=None,
            label=label,
        )
    return exported(model)
