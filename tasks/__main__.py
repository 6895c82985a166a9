"""`python -m tasks <stage>`: hands one section of params.yaml to the one function that needs it.

This is what dvc.yaml calls. Each stage's module is imported only when its stage runs, so that a stage that needs no
TensorFlow does not pay for it.
"""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import params
from params import Params

ARGUMENTS: Final[dict[str, Callable[[Params], dict[str, Any]]]] = {
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
"""Stage -> the keyword arguments of `tasks.<stage>.<stage>`, in the order of the data flow."""


def run(stage: str, settings: Params) -> Any:
    """Runs one stage and returns its summary."""
    function = getattr(importlib.import_module(f"tasks.{stage}"), stage)
    return function(**ARGUMENTS[stage](settings))


def main(arguments: list[str]) -> int:
    """Runs the stage named on the command line; 0 when it did its work, 1 on bad input, with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tasks", description="Run one stage of the pipeline.")
    parser.add_argument("stage", choices=ARGUMENTS, help="which stage; params.yaml has its settings")
    stage = parser.parse_args(arguments).stage
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    os.umask(0o022)
    try:
        summary = run(stage, params.load())
    except (ValueError, OSError) as error:
        logging.getLogger("tasks").error("%s stopped: %s", stage, error, exc_info=os.environ.get("PODIUM_TRACEBACK"))
        return 1
    logging.getLogger("tasks").info("%s done: %s", stage, summary)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
