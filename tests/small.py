"""Settings for the shop that train in seconds, and a variant of which little matters."""

from pathlib import Path
from typing import Any

import msgspec

import params
from models.variants import Variant
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


def variant(name: str, size: int = 1, *, within: bool = True, trained_on: bool = False) -> Variant:
    """One that is as good as its float model."""
    return Variant(
        name=name,
        trained_on=trained_on,
        sparsity=0.0,
        size_bytes=size,
        gzip_bytes=size,
        validation_ndcg_at_10=0.1,
        top_10_overlap=1.0,
        change=0.0,
        change_low=0.0,
        change_high=0.0,
        within_margin=within,
    )
