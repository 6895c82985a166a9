"""`python -m tasks <step>`: one step from the command line, with the settings of params.yaml. dvc.yaml calls this."""

import argparse
import logging
import os
import sys

import msgspec

import params
from tasks import steps


def main(arguments: list[str]) -> int:
    """Runs the step named on the command line; 0 when it did its work, 1 on bad input, with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tasks", description="Run one step of the pipeline.")
    parser.add_argument("step", choices=steps.STEPS, help="which step; params.yaml has its settings")
    parser.add_argument("model", nargs="?", help=f"which model of train.models; for {', '.join(steps.PER_MODEL)}")
    options = parser.parse_args(arguments)
    step, model = options.step, options.model
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    log = logging.getLogger("tasks")
    label = f"{step} {model}" if model else step
    os.umask(0o022)
    try:
        summary = steps.run(step, params.load(), model)
    except (ValueError, OSError) as error:
        if type(error) is ValueError:  # ours are subclasses; a bare one is a mistake in the code: traceback
            raise
        log.error("%s stopped: %s", label, error, exc_info=bool(os.environ.get("PODIUM_TRACEBACK")))
        return 1
    log.info("%s done: %s", label, _brief(summary))
    return 0


def _brief(summary: object) -> str:
    """The plain values of a summary; nested ones are in the files that the step wrote."""
    values = msgspec.to_builtins(summary, builtin_types=(bool, int, float, str))
    return ", ".join(f"{key} {value}" for key, value in values.items() if isinstance(value, int | float | str))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
