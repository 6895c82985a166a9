"""params.yaml is read as it stands or refused with the name of the file and of the key."""

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import params

WRITTEN: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())


def _changed(tmp_path: Path, key: str, value: Any) -> Path:
    """A params.yaml with one key set, or with `...` as the value, removed."""
    whole = copy.deepcopy(WRITTEN)
    *sections, last = key.split(".")
    inner = whole
    for section in sections:
        inner = inner[section]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


def test_the_file_is_read_whole(tmp_path: Path) -> None:
    found = params.load(_changed(tmp_path, "seed", 11))
    assert found.seed == 11
    assert found.paths.raw == Path("data/raw")
    assert msgspec.to_builtins(found, enc_hook=str) == {**WRITTEN, "seed": 11}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("epochs", 3, ["unknown field `epochs`"]),
        ("train.epoch", 3, ["unknown field `epoch`", "$.train"]),
        ("prepare.columns.user", "customer", ["unknown field `user`", "$.prepare.columns"]),
        ("train.epochs", "20", ["`int`", "`str`", "$.train.epochs"]),
        ("train.epochs", 1.5, ["`int`", "`float`", "$.train.epochs"]),
        ("train.models.two-tower.hidden_units", [16, "x"], ["`int`", "$.train.models[...].hidden_units[1]"]),
        ("train.models.two-tower.family", "three-tower", ["'three-tower'", "$.train.models[...].family"]),
        ("train.models.user-knn.neighbours", 0, ["`int` >= 1", "$.train.models[...].neighbours"]),
        ("train.models.als.l2", 0.0, ["`float` > 0.0", "$.train.models[...].l2"]),
        ("train.models.als.half_life", ..., ["missing required field `half_life`"]),
        ("train.models.content.year_span", 0.0, ["`float` > 0.0", "$.train.models[...].year_span"]),
        ("models", ["two-tower", "nobody"], ["models must be distinct names of", "'nobody'"]),
        ("blend.parts", ["ease"], ["blend.parts must be distinct names of", "['ease']"]),
        ("evaluate.baselines", ["item-knn", "item-knn"], ["evaluate.baselines must be distinct names"]),
        ("train.mixed_precision", "no", ["`bool`", "$.train.mixed_precision"]),
        ("train", None, ["null", "$.train"]),
        ("paths.raw", 7, ["`str`", "`int`", "$.paths.raw"]),
        ("ingest.source", "movielens", ["'movielens'", "$.ingest.source"]),
        ("seed", ..., ["missing required field `seed`"]),
        ("evaluate.cutoffs", ..., ["missing required field `cutoffs`", "$.evaluate"]),
        ("ingest.files.items", ..., ["missing required field `items`", "$.ingest.files"]),
    ],
)
def test_a_wrong_key_is_named_with_its_file(tmp_path: Path, key: str, value: Any, said: list[str]) -> None:
    path = _changed(tmp_path, key, value)
    with pytest.raises(params.ParamsError) as caught:
        params.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    for part in said:
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["", "seed: [1\n", "- 1\n", "7"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(params.ParamsError, match=r"params\.yaml: "):
        params.load(path)


def test_the_values_cannot_be_changed_afterwards() -> None:
    found = params.load()
    with pytest.raises(AttributeError):
        found.train.epochs = 1  # type: ignore[misc]  # that is the point
