"""What all contestants that are trained on have in common: a float model's files, its data, and a few more epochs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tf_keras as keras

from models import stored
from models.fit import Data, fit
from models.stored import Retriever


@dataclass(frozen=True)
class Retraining:
    """How a float model is trained on."""

    folder: Path
    """The float model's files. Wrappers share the layers they wrap, so everyone reads a model of their own."""
    data: Callable[[Retriever], Data]
    """A model's training batches afresh, in the same order each time."""
    optimizer: Callable[[], keras.optimizers.Optimizer]
    """A fresh one each time."""
    epochs: int

    def start(self) -> Retriever:
        """The float model, read anew."""
        return stored.read(self.folder)

    def steps(self, model: Retriever) -> int:
        """Training steps in all, at least."""
        return self.epochs * self.data(model).steps

    def train(self, model: Retriever, name: str, callbacks: Sequence[keras.callbacks.Callback] = ()) -> Retriever:
        """Trains `model` in place and hands it back.

        Raises:
            models.fit.DivergedError: the loss or a weight became NaN or infinite.
        """
        fit(
            model,
            self.data(model),
            optimizer=self.optimizer(),
            epochs=self.epochs,
            patience=self.epochs,
            validate=None,
            callbacks=callbacks,
            label=f"{self.folder.name}: {name}",
        )
        return model
