"""What RecBole's two models share: the data as the library wants it, and its epochs, one by one.

RecBole splits, trains and examines in one call; here everything known is for training, its own trainer takes each epoch
and the lists are made outside, because the library examines users, not queries.
"""

import logging
import tempfile
from pathlib import Path

import exam
import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.utils import create_samplers, get_dataloader
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

USER, ITEM = "user_id", "item_id"


class Library:
    """One model, its training data and its trainer."""

    def __init__(self, name: str, run: exam.Run, asked: exam.Exam, **more: object) -> None:
        """Builds the model with RecBole's defaults, the run's settings and `more`."""
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder) / "known", asked)
            config = Config(model=name, dataset="known", config_dict=_config(folder, run) | more)
            logging.getLogger().setLevel(logging.ERROR)
            init_seed(run.seed, reproducibility=True)
            dataset = create_dataset(config)
        dataset._change_feat_format()
        sampler = create_samplers(config, dataset, [dataset, dataset, dataset])[0]
        self.loader = get_dataloader(config, "train")(config, dataset, sampler, shuffle=True)
        init_seed(run.seed, reproducibility=True)
        self.model: GeneralRecommender = get_model(name)(config, self.loader.dataset).to(config["device"])
        self.trainer = Trainer(config, self.model)
        self.users = _ours(dataset.field2id_token[USER])
        """[n_users] our user number by the library's, -1 for its padding."""
        self.items = _ours(dataset.field2id_token[ITEM])
        """[n_items] our item number by the library's, -1 for its padding."""
        self._done = 0

    def train(self, epochs: int) -> None:
        """Some epochs more."""
        for _ in range(epochs):
            self.trainer._train_epoch(self.loader, self._done)
            self._done += 1
        self.model.eval()

    def spread(self, values: np.ndarray, size: int) -> np.ndarray:
        """[size, ...] by our item numbers, from [n_items, ...] by the library's; zeros elsewhere."""
        spread = np.zeros((size, *values.shape[1:]), np.float32)
        spread[self.items[1:]] = values[1:]
        return spread

    def parameter_bytes(self) -> int:
        """Of all parameters."""
        return sum(value.nbytes for value in self.model.parameters())


def _config(folder: str, run: exam.Run) -> dict:
    return {
        "data_path": folder,
        "checkpoint_dir": folder,
        "load_col": {"inter": [USER, ITEM, "timestamp"]},
        "use_gpu": False,
        "seed": run.seed,
        "show_progress": False,
        "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "RO", "group_by": None, "mode": "full"},
        **run.settings,
    }


def _write(folder: Path, asked: exam.Exam) -> None:
    """RecBole's own text format."""
    folder.mkdir()
    rows = zip(asked.users.tolist(), asked.items.tolist(), asked.times.tolist(), strict=True)
    lines = [f"{USER}:token\t{ITEM}:token\ttimestamp:float", *("\t".join(map(str, row)) for row in rows)]
    (folder / "known.inter").write_text("\n".join(lines) + "\n")


def _ours(tokens: np.ndarray) -> np.ndarray:
    return np.array([-1, *(int(token) for token in tokens[1:])])


def array(tensor: torch.Tensor) -> np.ndarray:
    """Of what needs no gradient any more."""
    return tensor.detach().cpu().numpy()
