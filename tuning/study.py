"""A study that is kept: SQLite in its folder, one process at a time, continued only for the same question.

What a trial draws depends on the study's seed, the trial's number and the trials before it, and on nothing else: a
study that is stopped between two trials and continued has the trials of one that was not. A trial whose process was
killed is tried again under another number, so what is drawn after it is not what would have been.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from sqlalchemy import URL

import params
from tuning.space import Space

optuna.logging.set_verbosity(optuna.logging.ERROR)  # search tells of each trial itself

DATABASE: Final = "study.db"
REASON: Final = "reason"
"""Attribute of a trial that failed: why."""
AGAIN: Final = "again"
"""Attribute of a trial: the number of the interrupted one that it repeats."""
PRESENT: Final = "present"
"""Attribute of the trial that has the settings of params.yaml as they were when the study began."""


class StudyError(ValueError):
    """A study is another one's, or somebody else is at it."""


@contextmanager
def opened(folder: Path, *, name: str, asked: Mapping[str, object]) -> Iterator[optuna.Study]:
    """The study in a folder, begun or continued, for this process alone as long as the context lasts.

    Args:
        folder: where it is kept.
        name: the study's.
        asked: what its values depend on beside what is searched; anything msgspec encodes.

    Raises:
        StudyError: it was begun with something else, or another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "study.lock", timeout=0):
            storage = optuna.storages.RDBStorage(str(URL.create("sqlite", database=str(folder / DATABASE))))
            try:
                study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
                _refuse_another(study, asked, folder)
                _repeat_interrupted(study)
                yield study
            finally:
                storage.remove_session()
                storage.engine.dispose()
    except Timeout as error:
        raise StudyError(f"{folder}: another process is at this study; wait for it") from error


def sampler(settings: params.Tune, space: Space, *, seed: int, number: int) -> BaseSampler:
    """What draws the trial of that number.

    Raises:
        tuning.space.SpaceError: the grid has no end.
    """
    draw = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    match settings.sampler:
        case "grid":
            return GridSampler(space.grid(), seed=seed)  # the order of the whole grid, the same for all trials
        case "random":
            return RandomSampler(seed=draw)
        case "tpe":
            return TPESampler(seed=draw, n_startup_trials=settings.startup_trials)


def pruner(settings: params.Tune, *, epochs: int) -> BasePruner:
    """What ends a trial early that is worse than others at its epoch; epochs are counted from 1."""
    first = settings.warmup_epochs + 1
    match settings.pruner:
        case "none":
            return NopPruner()
        case "median":
            return MedianPruner(n_startup_trials=settings.startup_trials, n_warmup_steps=first)
        case "hyperband":
            return HyperbandPruner(min_resource=min(first, epochs), max_resource=epochs)


def _refuse_another(study: optuna.Study, asked: Mapping[str, object], folder: Path) -> None:
    encoded = {key: msgspec.json.encode(value, order="sorted") for key, value in asked.items()}
    digests = {key: hashlib.sha256(value).hexdigest() for key, value in encoded.items()}
    begun: dict[str, Any] = study.user_attrs
    if not begun:
        for key, value in digests.items():
            study.set_user_attr(key, value)
        return
    changed = [key for key, value in digests.items() if begun.get(key) != value]
    if changed:
        raise StudyError(
            f"{folder}: the study must be continued with what it was begun with. Changed since: {', '.join(changed)}. "
            "Undo that in params.yaml or `dvc checkout` the features, or move the folder away to begin anew"
        )


def _repeat_interrupted(study: optuna.Study) -> None:
    """Queues the trials that came to no end: nobody else has the study, so what runs in it is dead."""
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
    repeated = {trial.user_attrs.get(AGAIN) for trial in trials}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
        if REASON not in trial.user_attrs and trial.number not in repeated:
            study.add_trial(
                optuna.trial.create_trial(
                    state=TrialState.WAITING,
                    params=trial.params,
                    distributions=trial.distributions,
                    user_attrs=trial.user_attrs | {AGAIN: trial.number},
                    system_attrs=trial.system_attrs,  # the grid's place among them
                )
            )
