"""Which part of params.yaml each step gets: the one place where settings meet functions."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from params import Params

REPRODUCIBLE: Final[dict[str, Callable[[Params], dict[str, Any]]]] = {
    "ingest": lambda p: {"inbox": p.paths.inbox, "raw": p.paths.raw, "settings": p.ingest},
    "prepare": lambda p: {"raw": p.paths.raw, "prepared": p.paths.prepared, "settings": p.prepare},
    "split": lambda p: {"prepared": p.paths.prepared, "split": p.paths.split, "settings": p.split},
    "featurize": lambda p: {
        "prepared": p.paths.prepared,
        "split": p.paths.split,
        "features": p.paths.features,
        "settings": p.featurize,
    },
    "train": lambda p: {"features": p.paths.features, "model": p.paths.model, "settings": p.train, "seed": p.seed},
    "compress": lambda p: {
        "features": p.paths.features,
        "model": p.paths.model,
        "variants": p.paths.variants,
        "settings": p.compress,
        "train_settings": p.train,
        "evaluate_settings": p.evaluate,
        "seed": p.seed,
    },
    "evaluate": lambda p: {
        "features": p.paths.features,
        "variants": p.paths.variants,
        "evaluation": p.paths.evaluation,
        "settings": p.evaluate,
        "seed": p.seed,
    },
}
"""Step -> its keyword arguments: the stages of dvc.yaml, pure functions of data, parameters and code."""

EFFECTFUL: Final[dict[str, Callable[[Params], dict[str, Any]]]] = {
    "promote": lambda p: {
        "features": p.paths.features,
        "variants": p.paths.variants,
        "evaluation": p.paths.evaluation,
        "registry": p.paths.registry,
        "reports": p.paths.reports,
        "settings": p.promote,
        "evaluate_settings": p.evaluate,
        "seed": p.seed,
    },
    "package": lambda p: {"registry": p.paths.registry, "project": Path()},
}
"""Step -> its keyword arguments: decisions and side effects, which the flows run and which need no Prefect."""

STEPS: Final = REPRODUCIBLE | EFFECTFUL


def function(step: str) -> Callable[..., Any]:
    """`tasks.<step>.<step>`; its module is imported now, so that a step without TensorFlow does not pay for it."""
    found: Callable[..., Any] = getattr(importlib.import_module(f"tasks.{step}"), step)
    return found


def run(step: str, settings: Params) -> object:
    """Runs one step and returns its summary."""
    return function(step)(**STEPS[step](settings))
