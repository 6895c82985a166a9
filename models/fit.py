"""Fitting a retrieval model: epochs, early stopping on the validation metric, and a stop at the first bad loss."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras
from tqdm import tqdm

log = logging.getLogger(__name__)


class DivergedError(ValueError):
    """The training loss or a weight became NaN or infinite; nothing of the run may be kept."""


class TooFewExamplesError(ValueError):
    """There is too little data: less than one batch, or nothing to validate on."""


@dataclass(frozen=True)
class Fit:
    """What a fit came to."""

    epochs: int
    """The epoch, counted from 1, whose weights the model has now."""
    metric: float
    """Its validation metric; NaN when there was no validation."""


@dataclass(frozen=True)
class Data:
    """What a model is trained on."""

    batches: tf.data.Dataset
    """One epoch each time it is iterated."""
    steps: int
    """Batches of an epoch, at least."""


def batches(arrays: Mapping[str, npt.NDArray[np.generic]], *, batch_size: int, seed: int) -> Data:
    """Shuffled, whole batches of the arrays' rows, in an order that depends on the seed alone.

    Raises:
        TooFewExamplesError: there are fewer rows than one batch has.
    """
    rows = len(next(iter(arrays.values())))
    if rows < batch_size:
        raise TooFewExamplesError(
            f"batch_size must be at most the number of training examples, {rows}. Received: {batch_size}"
        )
    tensors = {name: tf.constant(values) for name, values in arrays.items()}
    # Shuffling row numbers and gathering is 4 times faster than shuffling the rows themselves.
    order = tf.data.Dataset.range(rows).shuffle(rows, seed=seed, reshuffle_each_iteration=True)
    data = order.batch(batch_size, drop_remainder=True)
    data = data.map(lambda row: {name: tf.gather(values, row) for name, values in tensors.items()})
    return Data(data.prefetch(2), rows // batch_size)


def fit(
    model: keras.Model,
    data: Data,
    *,
    optimizer: keras.optimizers.Optimizer,
    epochs: int,
    patience: int,
    validate: Callable[[], float] | None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    label: str,
) -> Fit:
    """Trains `model` in place.

    Args:
        model: the model; ends with the weights of its best epoch, or of the last one without validation; with
            their averages where the optimizer keeps such.
        data: batches, see `batches`.
        optimizer: a fresh one.
        epochs: at most this many.
        patience: stop after this many epochs without a better validation metric.
        validate: the metric of the model as it is now, higher is better; None trains for all epochs.
        callbacks: Keras callbacks that the step needs (TFMOT's `UpdatePruningStep`).
        label: what the progress bar says.

    Raises:
        DivergedError: the loss became NaN or infinite, at the step where it did, or a weight, at the end of the epoch.
    """
    model.compile(optimizer=optimizer)
    # Its variables are there before the step is traced, or TensorFlow would trace it twice.
    model.optimizer.build(model.trainable_variables)
    kept = _Kept()
    best, best_weights = Fit(epochs=0, metric=-math.inf), model.get_weights()
    with tqdm(total=epochs, desc=label, unit="epoch", leave=False) as progress:
        for epoch in range(1, epochs + 1):
            loss = _epoch(model, data, [*callbacks, kept], label, epoch)
            metric = validate() if validate else math.nan
            progress.set_postfix(loss=f"{loss:.3f}", **({"validation": f"{metric:.4f}"} if validate else {}))
            progress.update()
            if validate is None or metric > best.metric:
                best, best_weights = Fit(epoch, metric), model.get_weights()
            elif epoch - best.epochs >= patience:
                break
            model.set_weights(kept.weights)
    model.set_weights(best_weights)
    log.info("%s: %d epochs%s", label, best.epochs, f", validation {best.metric:.4f}" if validate else "")
    return best


class _Kept(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """The weights as they were before Keras put their averages in their place, which it does at the end of `fit`."""

    weights: list[npt.NDArray[np.generic]]

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002  # Keras hands them over
        self.weights = self.model.get_weights()


def _epoch(
    model: keras.Model, data: Data, callbacks: Sequence[keras.callbacks.Callback], label: str, epoch: int
) -> float:
    """One pass over the data; the loss of its last batch."""
    try:
        history = model.fit(data.batches, epochs=1, verbose=0, callbacks=list(callbacks))
    except tf.errors.InvalidArgumentError as error:
        if "the training loss" not in error.message:
            raise
        raise _diverged(label, "the loss", epoch) from error
    # Fused kernels take relu(NaN) for 0: weights can be NaN while the loss is a number.
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise _diverged(label, "a weight", epoch)
    return float(history.history["loss"][-1])


def _diverged(label: str, what: str, epoch: int) -> DivergedError:
    return DivergedError(
        f"{label}: {what} became NaN or infinite in epoch {epoch}; nothing was written. "
        "Lower the learning rate that its section of params.yaml gives, or raise the temperature where it has one."
    )
