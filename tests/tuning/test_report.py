"""What a study leaves behind, whatever its trials came to."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import params
from tuning import report
from tuning.report import NothingFoundError, Tuned
from tuning.search import Report, search
from tuning.space import Space
from tuning.study import opened

TUNE = params.load(Path(__file__).parents[2] / "params.yaml").tune
KNN = params.ItemKNN(neighbours=20, shrink=10.0, half_life=0.0, longest=100)
DOMAINS: dict[str, params.Domain] = {"shrink": params.Range(low=5.0, high=10.0, log=False, step=0.5)}


class BadError(ValueError):
    """An error of ours."""


def run(folder: Path, ends: list[float | Exception], **changed: Any) -> Tuned:
    left: Iterator[float | Exception] = iter(ends)

    def objective(settings: params.ModelSection, told: Report) -> float:
        end = next(left)
        if isinstance(end, Exception):
            raise end
        told(1, end)
        return end

    space = Space(KNN, DOMAINS)
    settings = msgspec.structs.replace(TUNE, **{"trials": len(ends), "sampler": "random", "pruner": "none"} | changed)
    with opened(folder, name="knn", asked={}) as study:
        search(study, space, objective, settings=settings, epochs=1, seed=1)
        return report.write(study, space, folder)


def test_the_best_and_the_present_settings_are_told(tmp_path: Path) -> None:
    found = run(tmp_path, [0.2, BadError("no"), 0.4, 0.3])
    assert (found.trials, found.failed, found.best, found.present) == (4, 1, 0.4, 0.2)
    assert [(row["trial"], row["validation"]) for row in found.leaders] == [(2, 0.4), (3, 0.3), (0, 0.2)]
    best = yaml.safe_load((tmp_path / "best.yaml").read_text())
    assert best == {"train": {"models": {"knn": found.values}}}
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete", "fail", "complete", "complete"]
    assert [row["reason"] for row in rows] == ["", "BadError: no", "", ""]
    assert (rows[0]["shrink"], rows[2]["shrink"]) == ("10.0", str(found.values["shrink"]))
    assert found.values["shrink"] * 2 % 1 == 0


def test_pruned_trials_are_counted_and_are_no_leaders(tmp_path: Path) -> None:
    found = run(tmp_path, [0.2, 0.3, 0.1], pruner="median", startup_trials=1, warmup_epochs=0)
    assert (found.trials, found.pruned) == (3, 1)
    assert [row["trial"] for row in found.leaders] == [1, 0]


def test_one_trial_is_enough_and_none_is_told_with_the_table(tmp_path: Path) -> None:
    with pytest.raises(NothingFoundError, match=r"at least one trial must come to its end\. .* see .*trials\.csv"):
        run(tmp_path, [BadError("first"), BadError("second")])
    assert "BadError: second" in (tmp_path / "trials.csv").read_text()
    assert not (tmp_path / "best.yaml").exists()
    assert run(tmp_path, [0.1]).trials == 3
    assert (tmp_path / "study.html").exists()
