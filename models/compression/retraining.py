"""What all contestants that are trained on have in common: a float model's files, its data, and a few more epochs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tf_keras as keras

from models import stored
from models.fit import Data, fit
from models.stored import Retriever


class Tally(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Counts what training costs."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = self.steps = 0
        self.seconds = 0.0
        """By the clock, so of no two runs the same."""
        self._since = 0.0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002  # Keras hands them over
        """Starts the clock."""
        self._since = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002  # Keras hands them over
        """Counts a step."""
        self.steps += 1

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002  # Keras hands them over
        """Counts an epoch and stops the clock."""
        self.epochs += 1
        self.seconds += time.perf_counter() - self._since


@dataclass(frozen=True)
class Retraining:
    """How a float model is trained on."""

    folder: Path
    """The float model's files. Wrappers share the layers they wrap, so everyone reads a model of their own."""
    data: Callable[[Retriever], Data]
    """A model's training batches afresh, in the same order each time."""
    optimizer: Callable[[], keras.optimizers.Optimizer]
    """A fresh one each time."""
    afresh: Callable[[], keras.optimizers.Optimizer]
    """The same for a model with fresh weights: at the rate that the float model has learned at."""
    epochs: int
    seed: int
    """Of fresh weights and of what training draws."""
    tally: Tally = field(default_factory=Tally)
    """Counts all that is trained here."""

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
            callbacks=[*callbacks, self.tally],
            label=f"{self.folder.name}: {name}",
        )
        return model
