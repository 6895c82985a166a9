"""Which part of params.yaml each step gets: the one place where settings meet functions."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from params import Params


class ModelError(ValueError):
    """A step was asked for a model that it does not have."""


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
    "index": lambda p: {
        "features": p.paths.features,
        "variants": p.paths.variants,
        "index": p.paths.index,
        "settings": p.index,
        "seed": p.seed,
    },
    "blend": lambda p: {
        "features": p.paths.features,
        "variants": p.paths.variants,
        "blend": p.paths.blend,
        "settings": p.blend,
        "compress_settings": p.compress,
        "evaluate_settings": p.evaluate,
        "seed": p.seed,
    },
    "rank": lambda p: {
        "features": p.paths.features,
        "prepared": p.paths.prepared,
        "variants": p.paths.variants,
        "blend": p.paths.blend,
        "rank": p.paths.rank,
        "settings": p.rank,
        "train_settings": p.train,
        "compress_settings": p.compress,
        "evaluate_settings": p.evaluate,
        "seed": p.seed,
    },
    "evaluate": lambda p: {
        "features": p.paths.features,
        "variants": p.paths.variants,
        "blend": p.paths.blend,
        "rank": p.paths.rank,
        "evaluation": p.paths.evaluation,
        "models": p.models,
        "settings": p.evaluate,
        "seed": p.seed,
    },
}
"""Step -> its keyword arguments: the stages of dvc.yaml, pure functions of data, parameters and code."""

EFFECTFUL: Final[dict[str, Callable[[Params], dict[str, Any]]]] = {
    "promote": lambda p: {
        "features": p.paths.features,
        "variants": p.paths.variants,
        "blend": p.paths.blend,
        "rank": p.paths.rank,
        "index": p.paths.index,
        "evaluation": p.paths.evaluation,
        "registry": p.paths.registry,
        "reports": p.paths.reports,
        "models": p.models,
        "settings": p.promote,
        "evaluate_settings": p.evaluate,
        "seed": p.seed,
    },
    "package": lambda p: {"registry": p.paths.registry, "project": Path()},
}
"""Step -> its keyword arguments: decisions and side effects, which the flows run and which need no Prefect."""

STEPS: Final = REPRODUCIBLE | EFFECTFUL
PER_MODEL: Final = {"train": ("model",), "compress": ("model", "variants"), "index": ("variants", "index")}
"""Steps that run for one model at a time -> those of their folders that hold a folder for each model."""


def function(step: str) -> Callable[..., Any]:
    """`tasks.<step>.<step>`; its module is imported now, so that a step without TensorFlow does not pay for it."""
    found: Callable[..., Any] = getattr(importlib.import_module(f"tasks.{step}"), step)
    return found


def run(step: str, settings: Params, model: str | None = None) -> object:
    """Runs one step and returns its summary.

    Args:
        step: which.
        settings: all parameters.
        model: for which model, where a step runs for one at a time.

    Raises:
        ModelError: a model is missing, unknown, or not asked for.
    """
    arguments = STEPS[step](settings)
    if step in PER_MODEL:
        if model not in settings.train.models:
            known = ", ".join(settings.train.models)
            raise ModelError(f"{step} runs for one model of train.models: {known}. Received: {model}")
        arguments |= {"name": model} | {folder: arguments[folder] / model for folder in PER_MODEL[step]}
    elif model is not None:
        raise ModelError(f"{step} runs for all models at once. Received: {model}")
    return function(step)(**arguments)
