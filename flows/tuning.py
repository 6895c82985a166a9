"""The tuning flow: search better settings for a model on validation, show them, and write them down when asked to.

`python -m flows.tuning --model recency-ease --trials 50 --write`; docs/tuning.md says more.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_type_hints

if __name__ == "__main__":  # before Prefect is imported; what stops a run is told once, by `main`
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")

import msgspec
from prefect import flow, task
from rich.console import Console
from rich.table import Table
from rich.text import Text

import params
from flows import artifacts, reproduce
from tasks import steps
from tuning import patch
from tuning.report import Tuned

Sampler = Literal["grid", "random", "tpe"]
PARAMS: Final = Path("params.yaml")


@flow(name="tuning", description="Search better settings for a model, on validation.")
def tuning(
    model: str | None = None,
    trials: int | None = None,
    timeout_seconds: int | None = None,
    sampler: Sampler | None = None,
    write: bool = False,
) -> Tuned:
    """Adds trials to a model's study; what is None is as section `tune` of params.yaml says.

    Args:
        model: whose settings.
        trials: how many.
        timeout_seconds: after which none starts.
        sampler: how they are chosen.
        write: whether the best settings so far go into params.yaml.
    """
    settings = params.load(PARAMS)
    asked = {"model": model, "trials": trials, "timeout_seconds": timeout_seconds, "sampler": sampler}
    chosen = {name: value for name, value in asked.items() if value is not None}
    tuned: Tuned = _tune(settings, _changed(settings.tune, chosen))
    artifacts.study(tuned)
    if write:
        with reproduce.exclusive():  # a training flow reads params.yaml anew at each stage
            patch.write(PARAMS, tuned.model, tuned.values)
    return tuned


def _changed(settings: params.Tune, chosen: dict[str, Any]) -> params.Tune:
    """`settings` with some changed, checked as if they stood in params.yaml.

    Raises:
        params.ParamsError: a value is out of its bounds; the message names it.
    """
    types = get_type_hints(params.Tune, include_extras=True)
    for name, value in chosen.items():
        try:
            msgspec.convert(value, type=types[name])
        except msgspec.ValidationError as error:
            raise params.ParamsError(f"{name}: {error}. Received: {value}") from error
    return msgspec.structs.replace(settings, **chosen)


def _tune(settings: params.Params, chosen: params.Tune) -> Any:  # noqa: ANN401  # Prefect gives tasks other types
    return task(name="tune", task_run_name="tune")(steps.function("tune"))(
        features=settings.paths.features,
        tuning=settings.paths.tuning,
        settings=chosen,
        train_settings=settings.train,
        seed=settings.seed,
    )


def main(arguments: list[str]) -> int:
    """0 when the search came to its end; 1 when it could not be made, with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m flows.tuning", description="Search better settings for a model.")
    parser.add_argument("--model", help="of tune.space; default: tune.model of params.yaml")
    parser.add_argument("--trials", type=int, help="default: tune.trials")
    parser.add_argument("--timeout", type=int, metavar="SECONDS", help="default: tune.timeout_seconds")
    parser.add_argument("--sampler", choices=get_args(Sampler), help="default: tune.sampler; tpe is Bayesian")
    parser.add_argument("--write", action="store_true", help="write the best settings into params.yaml")
    asked = parser.parse_args(arguments)
    try:
        tuned = tuning(asked.model, asked.trials, asked.timeout, asked.sampler, asked.write)
    except (ValueError, OSError) as error:
        if type(error) is ValueError:  # ours are subclasses; a bare one is a mistake in the code: traceback
            raise
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print(Text(f"tuning stopped: {error}"))
        if os.environ.get("PODIUM_TRACEBACK"):
            console.print_exception()
        return 1
    show(Console(), tuned, written=asked.write)
    return 0


def show(console: Console, tuned: Tuned, *, written: bool) -> None:
    """The best trials, what they are better than, and the best settings as a part of params.yaml."""
    table = Table(*tuned.leaders[0], title=f"Best trials of {tuned.model}, on validation", title_justify="left")
    for row in tuned.leaders:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    now = f"{tuned.present:.4f}" if tuned.present is not None else "not tried: outside the space, or a grid"
    lines = [
        f"{tuned.trials} trials so far ({tuned.pruned} pruned, {tuned.failed} failed), all of them in {tuned.folder}/",
        f"settings at its beginning: {now}; best: {tuned.best:.4f}",
        "written into params.yaml:" if written else "for params.yaml (--write writes it there):",
        patch.shown(tuned.model, tuned.values),
    ]
    console.print(Text("\n".join(lines)), soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
