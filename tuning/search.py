"""Trials of a study: drawn, measured epoch by epoch, pruned when they fall behind, and told when they fail."""

import logging
import math
from collections.abc import Callable

import optuna
from optuna.samplers import GridSampler
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

import params
from tuning.space import Space
from tuning.study import PRESENT, REASON, pruner, sampler

log = logging.getLogger(__name__)

Report = Callable[[int, float], None]
"""Takes an epoch, counted from 1, and the metric after it; ends a trial that is to be pruned, by an exception."""
Objective = Callable[[params.ModelSection, Report], float]
"""What settings are worth, higher is better."""


class TrialError(RuntimeError):
    """Settings with which nothing can be fitted; the study goes on."""


def search(
    study: optuna.Study, space: Space, objective: Objective, *, settings: params.Tune, epochs: int, seed: int
) -> None:
    """Adds trials to a study.

    The first of a new study has the settings as they are now, where the space holds them, so that there is something to
    be better than; a grid is covered as it is.

    Args:
        study: see `tuning.study.opened`.
        space: of the model.
        objective: measures settings. A `ValueError` of ours (a subclass) or too little memory fails the trial.
        settings: how many trials, and which.
        epochs: that a trial has at most.
        seed: of what is drawn.

    Raises:
        tuning.space.SpaceError: the sampler is a grid and the space has no end.
    """
    study.sampler = sampler(settings, space, seed=seed, number=len(study.trials))
    study.pruner = pruner(settings, epochs=epochs)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if isinstance(study.sampler, GridSampler):
        if study.sampler.is_exhausted(study) and not waiting:
            log.info("the grid is covered: there is nothing left to try")
            return
    elif not study.trials and (present := space.present()) is not None:
        study.enqueue_trial(present, user_attrs={PRESENT: True})
    with tqdm(total=settings.trials, desc=f"{study.study_name}: trials", unit="trial") as progress:

        def ended(study: optuna.Study, trial: FrozenTrial) -> None:
            _tell(study, trial, progress)
            study.sampler = sampler(settings, space, seed=seed, number=len(study.get_trials(deepcopy=False)))

        study.optimize(
            lambda trial: _attempt(trial, space, objective),
            n_trials=settings.trials,
            timeout=settings.timeout_seconds,
            catch=TrialError,
            callbacks=[ended],
        )


def _attempt(trial: optuna.Trial, space: Space, objective: Objective) -> float:
    drawn = space.drawn(trial)

    def report(epoch: int, metric: float) -> None:
        trial.report(metric, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned(f"in epoch {epoch}, at {metric:.4f}")

    try:
        metric = objective(space.settings(drawn), report)
    except (ValueError, MemoryError) as error:
        if type(error) is ValueError:  # ours are subclasses; a bare one is a mistake in the code
            raise
        trial.set_user_attr(REASON, f"{type(error).__name__}: {error}")
        raise TrialError(str(error)) from error
    if not math.isfinite(metric):
        trial.set_user_attr(REASON, f"the metric must be a number. Received: {metric}")
        raise TrialError("the metric is no number")
    return metric


def _tell(study: optuna.Study, trial: FrozenTrial, progress: "tqdm[None]") -> None:
    came_to = f"{trial.value:.4f}" if trial.value is not None else trial.user_attrs.get(REASON, "")
    log.info("trial %d %s: %s %s", trial.number, trial.state.name.lower(), came_to, trial.params)
    if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        progress.set_postfix(best=f"{study.best_value:.4f}")
    progress.update()
