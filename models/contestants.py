"""The contestants of the compression tournament, each made from the float model's files and never from its memory.

    float32      the parent, as it was trained
    int8         the parent, weights and item table in 8 bits
    control      the parent, trained on for as long as the pruned one, not pruned: what the extra epochs alone do
    pruned       trained on while its smallest Dense weights go
    pruned-int8  both

Each fit, selection and final, has its own; `tasks.compress` says what either is for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

from models import pruning, retrieval
from models.fit import fit
from models.retrieval import Retrieval
from models.variants import CONTROL, PARENT


class NotCompressedError(ValueError):
    """A contestant claims to be smaller or sparser and is not."""


class BaselineMovedError(RuntimeError):
    """Making a contestant changed the weights of the float model."""


@dataclass(frozen=True)
class Contestant:
    """A model and how it is to be exported."""

    name: str
    model: Retrieval
    quantize: bool
    sparsity: float
    """Share of zeros in the Dense kernels, 0..1, as counted."""
    trained_on: bool
    """Whether it had more epochs than the float model, and so is to be compared with the control as well."""


def contestants(
    folder: Path, data: Callable[[], tf.data.Dataset], *, sparsity: float, epochs: int, learning_rate: float
) -> list[Contestant]:
    """Makes all contestants of one fit.

    Args:
        folder: the float model, see `models.retrieval.write`.
        data: gives the training batches afresh, in the same order each time.
        sparsity: wanted share of zeros, 0..1.
        epochs: of further training.
        learning_rate: of further training.

    Raises:
        NotCompressedError: the pruned model does not have the wanted sparsity.
        BaselineMovedError: the float model changed on the way.
    """
    parent = retrieval.read(folder)
    before = retrieval.weights(parent)

    def trained_on(model: Retrieval, name: str, callbacks: list[keras.callbacks.Callback]) -> Retrieval:
        optimizer = keras.optimizers.Adam(learning_rate)
        fit(
            model,
            data(),
            optimizer=optimizer,
            epochs=epochs,
            patience=epochs,
            validate=None,
            callbacks=callbacks,
            label=f"{folder.name}: {name}",
        )
        return model

    control = trained_on(retrieval.read(folder), CONTROL, [])
    steps = epochs * int(data().cardinality())
    wrapped = pruning.wrap(retrieval.read(folder), sparsity=sparsity, steps=steps)
    pruned = pruning.strip(trained_on(wrapped, "pruned", pruning.callbacks()))
    _refuse_dense("pruned", pruning.sparsity(pruned), sparsity)
    if any(not np.array_equal(before[name], value) for name, value in retrieval.weights(parent).items()):
        raise BaselineMovedError(f"{folder}: a contestant shares weights with the float model")
    made = [(PARENT, parent, False), ("int8", parent, True), (CONTROL, control, False)]
    made += [("pruned", pruned, False), ("pruned-int8", pruned, True)]
    return [
        Contestant(name, model, quantize, pruning.sparsity(model), trained_on=model is not parent)
        for name, model, quantize in made
    ]


def _refuse_dense(name: str, received: float, wanted: float) -> None:
    if received < wanted - 0.01:
        raise NotCompressedError(
            f"variant {name!r}: sparsity must be {wanted} after pruning. Received: {received:.3f}. Raise "
            "compress.fine_tune_epochs, so that the schedule comes to its end"
        )
