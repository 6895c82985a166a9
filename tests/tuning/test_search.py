"""Studies of a function with a known best, kept in real databases: what is drawn, pruned, failed and continued."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

import params
from tuning.search import Objective, Report, search
from tuning.space import Space, SpaceError
from tuning.study import AGAIN, PRESENT, REASON, StudyError, opened

ROOT = Path(__file__).parents[2]
EASE = params.Ease(l2=500.0, half_life=5.0, longest=200, trend=0.5, trend_days=30)
OPEN: dict[str, params.Domain] = {
    "trend": params.Range(low=0.0, high=1.0, log=False, step=0.0),
    "trend_days": params.Range(low=1, high=60, log=True, step=0.0),
}
CLOSED: dict[str, params.Domain] = {
    "trend": params.Range(low=0.0, high=1.0, log=False, step=0.5),
    "longest": params.Choices([100, 200]),
}
EPOCHS = 8


class BadError(ValueError):
    """An error of ours."""


def tuned(**changed: Any) -> params.Tune:
    settings = params.load(ROOT / "params.yaml").tune
    known = {"trials": 4, "sampler": "random", "pruner": "none", "startup_trials": 3, "warmup_epochs": 2}
    return msgspec.structs.replace(settings, **known | changed)


def hill(settings: params.ModelSection, told: Report) -> float:
    """Best at a trend of 0.3."""
    assert isinstance(settings, params.Ease)
    return 1 - (settings.trend - 0.3) ** 2


def run(
    folder: Path,
    objective: Objective = hill,
    *,
    domains: dict[str, params.Domain] = OPEN,
    seed: int = 7,
    asked: str = "data",
    **changed: Any,
) -> list[FrozenTrial]:
    space = Space(EASE, domains)
    with opened(folder, name="ease", asked={"features": asked}) as study:
        search(study, space, objective, settings=tuned(**changed), epochs=EPOCHS, seed=seed)
        return study.get_trials()


def seen(trials: list[FrozenTrial]) -> list[tuple[int, dict[str, Any], float | None]]:
    return [(trial.number, trial.params, trial.value) for trial in trials]


def test_the_first_trial_is_what_there_is_and_the_best_is_no_worse(tmp_path: Path) -> None:
    first, *others = run(tmp_path, trials=9, sampler="tpe")
    assert first.params == {"trend": 0.5, "trend_days": 30}
    assert first.user_attrs == {PRESENT: True}
    assert all(other.user_attrs == {} for other in others)
    best = max(trial.value or 0 for trial in others)
    assert best > (first.value or 0) == pytest.approx(0.96)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_seed_makes_the_trials_and_an_interruption_makes_no_others(tmp_path: Path, sampler: str) -> None:
    whole = run(tmp_path / "whole", trials=6, sampler=sampler)
    assert [trial.number for trial in whole] == list(range(6))
    run(tmp_path / "parts", trials=4, sampler=sampler)
    assert seen(run(tmp_path / "parts", trials=2, sampler=sampler)) == seen(whole)
    other = run(tmp_path / "other", trials=2, sampler=sampler, seed=8)
    assert other[1].params != whole[1].params
    assert len({str(trial.params) for trial in whole}) == 6


def test_a_grid_is_covered_once_however_often_it_is_interrupted(tmp_path: Path) -> None:
    every = set(itertools.product((0.0, 0.5, 1.0), (100, 200)))
    for trials, covered in ((2, 2), (2, 4), (50, 6), (50, 6)):
        found = run(tmp_path, domains=CLOSED, sampler="grid", trials=trials)
        points = [(trial.params["trend"], trial.params["longest"]) for trial in found]
        assert len(points) == len(set(points)) == covered
    assert set(points) == every


def test_a_grid_without_an_end_stops_before_the_first_trial(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="needs choices"):
        run(tmp_path, sampler="grid")
    assert len(run(tmp_path, trials=1)) == 1


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_trial_that_falls_behind_is_pruned_after_its_warm_up(tmp_path: Path, pruner: str) -> None:
    """Four good trials, a planted bad one, and another good one."""
    worth = iter([0.5, 0.51, 0.52, 0.53, 0.01, 0.6])
    epochs: list[int] = []

    def objective(settings: params.ModelSection, told: Report) -> float:
        metric = next(worth)
        epochs.append(0)
        for epoch in range(1, EPOCHS + 1):
            epochs[-1] = epoch
            told(epoch, metric)
        return metric

    trials = run(tmp_path, objective, trials=6, pruner=pruner)
    assert trials[4].state == TrialState.PRUNED
    assert epochs[4] == 3, "the epoch after the two of the warm-up"
    assert (epochs[5], trials[5].state) == (EPOCHS, TrialState.COMPLETE)
    if pruner == "median":
        assert epochs == [8, 8, 8, 8, 3, 8]


def test_nothing_is_pruned_unless_asked_for(tmp_path: Path) -> None:
    worth = iter([0.5, 0.5, 0.5, 0.5, 0.01])

    def objective(settings: params.ModelSection, told: Report) -> float:
        metric = next(worth)
        for epoch in range(1, EPOCHS + 1):
            told(epoch, metric)
        return metric

    assert {trial.state for trial in run(tmp_path, objective, trials=5)} == {TrialState.COMPLETE}


def test_a_trial_that_fails_says_why_and_the_study_goes_on(tmp_path: Path) -> None:
    ends: Iterator[float | Exception] = iter(
        [0.1, BadError("the loss became NaN"), float("nan"), MemoryError("too large"), 0.2]
    )

    def objective(settings: params.ModelSection, told: Report) -> float:
        end = next(ends)
        if isinstance(end, Exception):
            raise end
        return end

    trials = run(tmp_path, objective, trials=5)
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "FAIL", "FAIL", "COMPLETE"]
    assert [trial.user_attrs.get(REASON) for trial in trials] == [
        None,
        "BadError: the loss became NaN",
        "the metric must be a number. Received: nan",
        "MemoryError: too large",
        None,
    ]
    assert len(run(tmp_path, trials=1)) == 6, "what failed is not tried again"


@pytest.mark.parametrize("error", [ValueError, KeyError, KeyboardInterrupt])
def test_a_mistake_in_the_code_or_ctrl_c_ends_the_run_and_the_trial_is_repeated(
    tmp_path: Path, error: type[BaseException]
) -> None:
    ends: Iterator[float | BaseException] = iter([0.1, error("who knows")])

    def objective(settings: params.ModelSection, told: Report) -> float:
        end = next(ends)
        if isinstance(end, BaseException):
            raise end
        return end

    with pytest.raises(error, match="who knows"):
        run(tmp_path, objective, trials=5)
    *_, broken, again = run(tmp_path, trials=1)
    assert (broken.state, broken.number) == (TrialState.FAIL, 1)
    assert (again.state, again.params) == (TrialState.COMPLETE, broken.params)
    assert again.user_attrs == {AGAIN: 1}
    assert len(run(tmp_path, trials=1)) == 4, "but only once"


KILLED = """
import os, sys
from pathlib import Path
from tests.tuning import test_search as here
def objective(settings, told):
    if settings.longest == 200 and settings.trend == 0.5:  # the last one by this seed
        os.kill(os.getpid(), 9)
    return here.hill(settings, told)
here.run(Path(sys.argv[1]), objective, domains=here.CLOSED, sampler="grid", trials=6)
"""


def test_a_trial_whose_process_was_killed_is_repeated_and_the_grid_is_whole(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False, timeout=120)
    assert done.returncode == -9
    trials = run(tmp_path, domains=CLOSED, sampler="grid", trials=6)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    points = [(trial.params["trend"], trial.params["longest"]) for trial in complete]
    assert sorted(points) == sorted(itertools.product((0.0, 0.5, 1.0), (100, 200)))
    assert [trial.state.name for trial in trials].count("FAIL") == 1


def test_another_question_is_refused_and_told(tmp_path: Path) -> None:
    before = seen(run(tmp_path, trials=2))
    with pytest.raises(StudyError, match=r"Changed since: features\. Undo that .* or move the folder away"):
        run(tmp_path, trials=2, asked="other data")
    assert seen(run(tmp_path, trials=1))[:2] == before


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        opened(tmp_path, name="ease", asked={}),
        pytest.raises(StudyError, match="another process is at this study"),
        opened(tmp_path, name="ease", asked={}),
    ):
        pass
    with opened(tmp_path, name="ease", asked={}) as study:
        assert study.trials == []


def test_no_trial_starts_after_the_time_is_up(tmp_path: Path) -> None:
    def objective(settings: params.ModelSection, told: Report) -> float:
        time.sleep(1.1)
        return 0.5

    assert len(run(tmp_path, objective, trials=50, timeout_seconds=1)) == 1


def test_optuna_itself_reads_what_is_kept(tmp_path: Path) -> None:
    """So that its own commands and its dashboard work on the file."""
    run(tmp_path, trials=3)
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/study.db")
    assert [found.study_name for found in optuna.get_all_study_summaries(storage)] == ["ease"]
    storage.remove_session()
    storage.engine.dispose()
