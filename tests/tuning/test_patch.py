"""Values are replaced in params.yaml where they stand, and not another byte."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import params
from tuning import patch

PROJECT = (Path(__file__).parents[2] / "params.yaml").read_text()
OLD = {"hidden_units": "[128]", "dropout": "0.5", "learning_rate": "0.001"}
NEW: dict[str, Any] = {"hidden_units": [128, 64], "dropout": 0.35000001, "learning_rate": 5e-05}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PROJECT)
    return path


def test_exactly_the_values_are_replaced(project: Path) -> None:
    patch.write(project, "two-tower", NEW)
    section = re.search(r"^    two-tower:\n(      .*\n)+", PROJECT, re.MULTILINE)
    assert section is not None
    changed = section[0]
    for name, text in {"hidden_units": "[128, 64]", "dropout": "0.35000001", "learning_rate": "5.0e-05"}.items():
        changed = changed.replace(f"      {name}: {OLD[name]}\n", f"      {name}: {text}\n")
    assert project.read_bytes().decode() == PROJECT.replace(section[0], changed)
    tower = params.load(project).train.models["two-tower"]
    assert isinstance(tower, params.TwoTower)
    assert (tower.hidden_units, tower.dropout, tower.learning_rate) == ([128, 64], 0.35000001, 0.00005)
    assert [path.name for path in project.parent.iterdir()] == ["params.yaml"]


def test_the_values_that_are_there_change_nothing(project: Path) -> None:
    for model in ("two-tower", "transformer", "recency-ease", "recent-popularity"):
        there = yaml.safe_load(PROJECT)["train"]["models"][model]
        patch.write(project, model, {name: value for name, value in there.items() if name != "family"})
    assert project.read_text() == PROJECT


def test_a_comment_behind_a_value_and_braces_around_it_stay() -> None:
    changed = patch.applied(PROJECT, "recency-ease", {"half_life": 7.25, "trend_days": 9})
    assert "      half_life: 7.25           # positions; 0: no fading\n" in changed
    changed = patch.applied(PROJECT, "recent-popularity", {"window_days": 5})
    assert "    recent-popularity: {family: popularity, window_days: 5}\n" in changed
    assert len(changed) == len(PROJECT) - 1


BLOCK = """\
# ours
train:
  models:
    "two-tower" :   # quoted
      hidden_units:
        - 128   # wide
        - 64
        # and no more
      dropout:    .5
      encoder: 'gru'
after: [1,   2]
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_other_ways_of_writing(tmp_path: Path, end: str) -> None:
    text = BLOCK.replace("\n", end)
    changed = patch.applied(text, "two-tower", {"hidden_units": [32], "dropout": 0.25, "encoder": "lstm"})
    expected = text.replace(f"- 128   # wide{end}        - 64", "[32]").replace(" .5", " 0.25").replace("'gru'", "lstm")
    assert changed == expected


def test_what_comes_from_an_anchor_is_refused() -> None:
    text = "x: &x {dropout: 0.5, rate: &rate 0.1}\ntrain: {models: {m: {<<: *x, other: *rate, own: 1}}}\n"
    with pytest.raises(patch.PatchError, match=r"must have a value for each .* Missing: \['dropout'\]"):
        patch.applied(text, "m", {"dropout": 0.1})
    with pytest.raises(patch.PatchError, match="each of other must stand in the file as a value of its own"):
        patch.applied(text, "m", {"other": 0.2})
    assert patch.applied(text, "m", {"own": 2}) == text.replace("own: 1", "own: 2")


def test_what_params_refuses_is_not_written(project: Path) -> None:
    with pytest.raises(params.ParamsError, match="Expected `float`, got `str`"):
        patch.write(project, "two-tower", {"dropout": "much"})
    assert project.read_text() == PROJECT
    assert [path.name for path in project.parent.iterdir()] == ["params.yaml"]


def test_what_is_shown_is_what_would_stand_there() -> None:
    assert patch.shown("two-tower", NEW) == (
        "train:\n  models:\n    two-tower:\n      hidden_units: [128, 64]\n      dropout: 0.35000001\n"
        "      learning_rate: 5.0e-05\n"
    )
