"""The contestants of the compression tournament, each made from the float model's files and never from its memory.

    float32       the parent, as it was trained
    int8          the parent, weights and item table in 8 bits
    float16-int8  the parent, dense weights in 16 bits, embedding and item table in 8
    control       the parent, trained on for as long as the pruned one, not pruned: what the extra epochs alone do
    pruned        trained on while its smallest Dense weights go
    pruned-int8   pruned, weights and item table in 8 bits

Each fit, selection and final, has its own; `tasks.compress` says what either is for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tf_keras as keras

from models import pruning, stored
from models.export import Precision
from models.fit import Data, fit
from models.stored import Retriever
from models.variants import CONTROL, PARENT, NotCompressedError


class BaselineMovedError(RuntimeError):
    """Making a contestant changed the weights of the float model."""


@dataclass(frozen=True)
class Contestant:
    """A model and how it is to be exported."""

    name: str
    model: Retriever
    precision: Precision
    sparsity: float
    """Share of zeros in the Dense kernels, 0..1, as counted."""
    trained_on: bool
    """Whether it had more epochs than the float model, and so is to be compared with the control as well."""


def contestants(
    folder: Path, data: Callable[[Retriever], Data], *, sparsity: float, epochs: int, learning_rate: float
) -> list[Contestant]:
    """Makes all contestants of one fit.

    Args:
        folder: the float model, see `models.stored.write`.
        data: gives a model's training batches afresh, in the same order each time.
        sparsity: wanted share of zeros, 0..1.
        epochs: of further training.
        learning_rate: of further training.

    Raises:
        NotCompressedError: the pruned model does not have the wanted sparsity.
        BaselineMovedError: the float model changed on the way.
    """
    parent = stored.read(folder)
    before = stored.weights(parent)

    def trained_on(model: Retriever, name: str, callbacks: list[keras.callbacks.Callback]) -> Retriever:
        optimizer = keras.optimizers.Adam(learning_rate)
        fit(
            model,
            data(model),
            optimizer=optimizer,
            epochs=epochs,
            patience=epochs,
            validate=None,
            callbacks=callbacks,
            label=f"{folder.name}: {name}",
        )
        return model

    control = trained_on(stored.read(folder), CONTROL, [])
    wrapped = pruning.wrap(stored.read(folder), sparsity=sparsity, steps=epochs * data(parent).steps)
    pruned = pruning.strip(trained_on(wrapped, "pruned", pruning.callbacks()))
    _refuse_dense("pruned", pruning.sparsity(pruned), sparsity)
    if any(not np.array_equal(before[name], value) for name, value in stored.weights(parent).items()):
        raise BaselineMovedError(f"{folder}: a contestant shares weights with the float model")
    made = [
        (PARENT, parent, Precision.FLOAT32),
        ("int8", parent, Precision.INT8),
        ("float16-int8", parent, Precision.FLOAT16),
        (CONTROL, control, Precision.FLOAT32),
        ("pruned", pruned, Precision.FLOAT32),
        ("pruned-int8", pruned, Precision.INT8),
    ]
    return [
        Contestant(name, model, precision, pruning.sparsity(model), trained_on=model is not parent)
        for name, model, precision in made
    ]


def _refuse_dense(name: str, received: float, wanted: float) -> None:
    if received < wanted - 0.01:
        raise NotCompressedError(
            f"variant {name!r}: sparsity must be {wanted} after pruning. Received: {received:.3f}. Raise "
            "compress.fine_tune_epochs, so that the schedule comes to its end"
        )
