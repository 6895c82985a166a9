"""Settings for the shop that train in seconds."""

from pathlib import Path
from typing import Any

import msgspec

import params
from tests.shop import settings

ROOT = Path(__file__).parents[1]
MODELS = ["two-tower", "item-knn", "popularity"]
TWO_TOWER: dict[str, Any] = {"embedding_dim": 32, "hidden_units": [32], "batch_size": 64}
"""Smaller, and int8 saves nothing."""
CHANGES: dict[str, dict[str, Any]] = {
    "train": {"epochs": 2},
    "blend": {"parts": ["two-tower", "item-knn"], "switch": ["item-knn", "popularity"]},
    "rank": {"candidates": 40, "epochs": 2},
    "compress": {"fine_tune_epochs": 1},
    "evaluate": {"bootstrap_samples": 50, "baselines": ["popularity", "item-knn"]},
    "promote": {"bootstrap_samples": 50, "min_queries": 50, "min_users": 5, "latency_queries": 40},
}


def small(changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What params.yaml says for such a project, with further changes by section."""
    whole: dict[str, Any] = msgspec.to_builtins(settings(params.load(ROOT / "params.yaml")), enc_hook=str)
    whole["models"] = MODELS
    whole["train"]["models"]["two-tower"] |= TWO_TOWER
    for section, values in [*CHANGES.items(), *changes.items()]:
        assert set(values) <= set(whole[section])
        whole[section] |= values
    return whole
