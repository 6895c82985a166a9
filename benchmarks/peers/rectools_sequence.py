"""What RecTools' two transformers share: the data as the library wants it, and its answers as lists.

Each query is a user of its own with the history as of its moment, so that both protocols take one path. The library
learns from the last `session_max_len` interactions of each user alone. With `windows` a longer timeline is dealt out to
several users, so that each interaction is learned from (but the first of a window is no target); which way is better
is for validation to say.
"""

import exam
import numpy as np
import pandas as pd
import pytorch_lightning
import torch
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models.base import ModelBase


def main(kind: type[ModelBase], description: str) -> None:
    """Runs one of the models.

    Settings: n_factors, n_blocks, n_heads, session_max_len, dropout_rate, lr, batch_size and what else the library
    knows; `windows` is ours.
    """
    run, asked = exam.start(description)
    pytorch_lightning.seed_everything(run.seed)
    settings = dict(run.settings)
    windows = settings.pop("windows")
    model = kind(**settings)
    learned = known(asked, settings["session_max_len"] + 1 if windows else None)
    queries = histories(asked)

    def train(epochs: int) -> None:
        model.fit_partial(learned, min_epochs=epochs, max_epochs=epochs)

    def rank() -> np.ndarray:
        with torch.no_grad():
            return lists(model, queries, asked)

    exam.answer(
        run,
        asked,
        train,
        rank,
        model_bytes=lambda: sum(value.nbytes for value in model.torch_model.parameters()),
        libraries=("rectools", "torch", "pytorch-lightning", "numpy"),
        examples=lambda: len(model.data_preparator.train_dataset.interactions.df),
    )


def known(asked: exam.Exam, width: int | None) -> Dataset:
    """What is known; with a width, the timelines dealt out from their ends to users of so many interactions."""
    user = asked.users.astype(np.int64)
    if width is not None:
        # Place of each interaction from the end of its user's timeline, 0 for the last.
        order = np.argsort(user, kind="stable")
        ends = np.cumsum(np.bincount(user))[user[order]]
        from_end = np.empty(len(user), np.int64)
        from_end[order] = ends - 1 - np.arange(len(user))
        user = user * (len(user) + 1) + from_end // width
    return _dataset(user, asked.items, asked.times)


def histories(asked: exam.Exam) -> Dataset:
    """Each query with its history, as a user of its own; queries without are left out."""
    return _dataset(np.repeat(np.arange(len(asked.asked)), np.diff(asked.bounds)), asked.seen, asked.seen_times)


def lists(model: ModelBase, queries: Dataset, asked: exam.Exam) -> np.ndarray:
    """[n, length] what the model recommends, -1 where it knows nothing of a history."""
    found = np.full((len(asked.asked), asked.length), -1, np.int32)
    listable = np.flatnonzero(asked.catalogue)
    answer = model.recommend(
        users=queries.user_id_map.external_ids,
        dataset=queries,
        k=asked.length,
        filter_viewed=True,
        items_to_recommend=listable,
        on_unsupported_targets="ignore",
    )
    found[answer[Columns.User], answer[Columns.Rank] - 1] = answer[Columns.Item]
    return found


def _dataset(users: np.ndarray, items: np.ndarray, times: np.ndarray) -> Dataset:
    moments = pd.to_datetime(times, unit="s")
    table = {Columns.User: users, Columns.Item: items, Columns.Datetime: moments, Columns.Weight: 1.0}
    return Dataset.construct(pd.DataFrame(table))
