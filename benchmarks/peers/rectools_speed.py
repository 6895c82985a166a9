"""How fast RecTools' SASRec trains: `python rectools_speed.py <exchange> --settings JSON --epochs N` prints JSON.

Training alone, batches included, by the library's own trainer: the first epoch, in which everything is allocated, is
left out, and the speed is the fastest of the others. Positions are the slots of the batches (users times
session_max_len), padded ones included, as the model computes them all; interactions are the targets among them.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path

import exam
import pytorch_lightning
import rectools_sequence
from rectools.models import SASRecModel


class Watch(pytorch_lightning.Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def on_train_epoch_start(
        self, trainer: pytorch_lightning.Trainer, module: pytorch_lightning.LightningModule
    ) -> None:
        """Starts the watch."""
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: pytorch_lightning.Trainer, module: pytorch_lightning.LightningModule) -> None:
        """Stops it."""
        self.seconds.append(time.perf_counter() - self._began)


def main() -> None:
    """Settings: as for rectools_sasrec."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", type=Path)
    parser.add_argument("--settings", type=json.loads, required=True, help="JSON object")
    parser.add_argument("--epochs", type=int, default=3, help="timed ones")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    pytorch_lightning.seed_everything(given.seed)
    asked = exam.read(given.exchange)
    settings = dict(given.settings)
    windows = settings.pop("windows")
    model = SASRecModel(**settings)
    learned = rectools_sequence.known(asked, settings["session_max_len"] + 1 if windows else None)
    seconds = _fit(model, learned, given.epochs + 1)
    trained = model.data_preparator.train_dataset
    users, rows = trained.user_id_map.size, len(trained.interactions.df)
    best = min(seconds[1:])
    report = {
        "seconds": seconds,
        "positions_per_second": users * settings["session_max_len"] / best,
        "interactions_per_second": (rows - users) / best,
        "positions": users * settings["session_max_len"],
        "interactions": rows - users,
        "parameters": sum(value.numel() for value in model.torch_model.parameters()),
        "peak_bytes": exam.peak_bytes(),
        "versions": {name: importlib.metadata.version(name) for name in ("rectools", "torch", "pytorch-lightning")},
        "settings": {**given.settings, "seed": given.seed, "threads": int(os.environ.get("OMP_NUM_THREADS", "0"))},
    }
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _fit(model: SASRecModel, learned: rectools_sequence.Dataset, epochs: int) -> list[float]:
    """Seconds of each epoch."""
    model._trainer = pytorch_lightning.Trainer(
        min_epochs=epochs,
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Watch()],
    )
    model.fit(learned)
    # The model trains with a copy of its trainer.
    return next(each.seconds for each in model.fit_trainer.callbacks if isinstance(each, Watch))


if __name__ == "__main__":
    main()
