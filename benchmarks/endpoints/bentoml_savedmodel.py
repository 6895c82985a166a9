r"""A peer: the same model as a TensorFlow SavedModel behind BentoML's typed API, both at their defaults.

What one would write from the tutorials: TFRS's `BruteForce` index over the query tower, saved as a SavedModel, loaded
in the service's constructor and called with a query made from the request. As in the tutorials nothing leaves out what
the user has taken already, and there is no log, so it does less than Podium.

    PODIUM_SERVABLE=servable PODIUM_BENCHMARK_SAVEDMODEL=savedmodel \
        bentoml serve benchmarks.endpoints.bentoml_savedmodel:SavedModel
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import bentoml
import numpy as np

from dataset.query import Timelines, ask


@bentoml.service
class SavedModel:
    """Recommends items with TensorFlow."""

    def __init__(self) -> None:
        import tensorflow as tf

        servable = Path(os.environ["PODIUM_SERVABLE"])
        self._index = tf.saved_model.load(os.environ["PODIUM_BENCHMARK_SAVEDMODEL"])
        self._items: list[str] = json.loads((servable / "items.json").read_text())
        self._titles: list[str] = json.loads((servable / "titles.json").read_text())
        self._indices = {name: index for index, name in enumerate(self._items)}
        self._users = {name: user for user, name in enumerate(json.loads((servable / "users.json").read_text()))}
        self._timelines = Timelines.read(servable / "timelines.npz")
        (specification,) = self._index.signatures["serving_default"].structured_input_signature[1:]
        self._length = specification["history"].shape[1]

    @bentoml.api  # type: ignore[untyped-decorator]
    def recommend(self, user_id: str | None = None, history: list[str] | None = None, k: int = 10) -> dict:  # type: ignore[type-arg]
        """The k best items for a user, a history, or both."""
        inputs = self._query(user_id, history or []).inputs(self._length)
        scores, items = self._index({name: inputs[name] for name in ("history", "context")})
        pairs = zip(items[0, :k].numpy().tolist(), scores[0, :k].numpy().tolist(), strict=True)
        found: list[dict[str, Any]] = [
            {"item_id": self._items[item], "title": self._titles[item], "score": score} for item, score in pairs
        ]
        return {"items": found}

    def _query(self, user_id: str | None, history: list[str]) -> Any:  # noqa: ANN401
        user, now = self._users.get(user_id or ""), int(time.time())
        start, end = (0, 0) if user is None else self._timelines.starts[user : user + 2]
        new = np.array([self._indices[name] for name in history if name in self._indices], np.int32)
        items = np.concatenate([self._timelines.items[start:end], new])
        return ask(items, np.concatenate([self._timelines.times[start:end], np.full(len(new), now, np.int64)]), now)
