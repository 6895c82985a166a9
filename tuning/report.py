"""What a study has come to: a table, a page of pictures that opens offline, and the best settings."""

import csv
import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import optuna
from optuna import visualization
from optuna.trial import FrozenTrial, TrialState

import durable
from tuning import patch
from tuning.space import Space
from tuning.study import PRESENT, REASON

TRIALS: Final = "trials.csv"
PAGE: Final = "study.html"
BEST: Final = "best.yaml"
SHOWN: Final = 10
"""Best trials of a `Tuned`."""


class NothingFoundError(ValueError):
    """No trial of a study came to its end."""


@dataclass(frozen=True)
class Tuned:
    """What a study has come to, all its runs together."""

    model: str
    folder: Path
    """Holds study.db, trials.csv, study.html and best.yaml."""
    trials: int
    pruned: int
    failed: int
    """Interrupted ones among them."""
    best: float
    """The best trial's metric, on validation; the best of many is better than it will be elsewhere."""
    present: float | None
    """The metric of the settings that stood in params.yaml when the study began; None where it did not try them."""
    values: dict[str, Any]
    """The best trial's settings, those that were searched."""
    leaders: list[dict[str, Any]]
    """The best trials, best first, one row each."""


def write(study: optuna.Study, space: Space, folder: Path) -> Tuned:
    """Writes the table, the page and the best settings of a study into its folder.

    Raises:
        NothingFoundError: no trial came to its end; the table says why.
    """
    trials = study.get_trials(deepcopy=False)
    durable.write_bytes(folder / TRIALS, _table(trials, space).encode())
    states = [trial.state for trial in trials]
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not completed:
        raise NothingFoundError(f"at least one trial must come to its end. Received: none; see {folder / TRIALS}")
    values = space.values(study.best_params)
    durable.write_bytes(folder / BEST, patch.shown(study.study_name, values).encode())
    durable.write_bytes(folder / PAGE, _page(study).encode())
    order = sorted(completed, key=lambda trial: -_value(trial))
    present = [_value(trial) for trial in completed if trial.user_attrs.get(PRESENT)]
    return Tuned(
        model=study.study_name,
        folder=folder,
        trials=len(trials),
        pruned=states.count(TrialState.PRUNED),
        failed=states.count(TrialState.FAIL),
        best=study.best_value,
        present=present[0] if present else None,
        values=values,
        leaders=[_row(trial, space) for trial in order[:SHOWN]],
    )


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None  # completed trials have one
    return trial.value


def _row(trial: FrozenTrial, space: Space) -> dict[str, Any]:
    return {"trial": trial.number, "validation": round(_value(trial), 4)} | space.values(trial.params)


def _table(trials: list[FrozenTrial], space: Space) -> str:
    """One row a trial, in order, as CSV; empty cells where a trial came to nothing."""
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "validation": trial.value,
            "epochs": len(trial.intermediate_values) or None,
            "seconds": round(trial.duration.total_seconds(), 3) if trial.duration else None,
            **space.values(trial.params),
            "reason": trial.user_attrs.get(REASON),
        }
        for trial in trials
    ]
    text = io.StringIO()
    # An interrupted trial may have drawn a part of its settings.
    table = csv.DictWriter(text, max(rows, key=len), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _page(study: optuna.Study) -> str:
    """One HTML page with everything in it, plotly's script once."""
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    figures = {
        "History": visualization.plot_optimization_history(study),
        "Epoch by epoch": visualization.plot_intermediate_values(study),
        "Settings one by one": visualization.plot_slice(study),
        "Settings together": visualization.plot_parallel_coordinate(study),
    }
    if len({trial.value for trial in completed}) > 1:
        figures["Importances"] = visualization.plot_param_importances(study)
    title = f"Study of {html.escape(study.study_name)}"
    parts = [f"<!doctype html><html><head><meta charset='utf-8'><title>{title}</title></head><body><h1>{title}</h1>"]
    for place, (name, figure) in enumerate(figures.items()):
        config = {"displaylogo": False}
        parts.append(f"<h2>{name}</h2>{figure.to_html(full_html=False, include_plotlyjs=place == 0, config=config)}")
    return "\n".join([*parts, "</body></html>"])
