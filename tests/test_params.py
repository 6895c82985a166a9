"""params.yaml is read as it stands or refused with the name of the file and of the key."""

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import params

WRITTEN: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())
SPACE = "tune.space.two-tower"
RANGE = {"low": 1, "high": 2, "log": False, "step": 0}


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
        ("train.epochs", -1, ["`int` >= 1", "$.train.epochs"]),
        ("compress.sparsity", 1.0, ["`float` < 1.0", "$.compress.sparsity"]),
        ("compress.contestants", {"pruned": ["float32"]}, ["contestants must have float32 of untrained and control"]),
        ("compress.contestants", {"untrained": ["int8"]}, ["contestants must have float32 of untrained. Received"]),
        ("compress.contestants.untrained", ["float32", "int7"], ["'int7'", "$.compress.contestants"]),
        ("compress.contestants.squeezed", ["float32"], ["'squeezed'", "$.compress.contestants"]),
        ("compress.student.width_share", 0.0, ["`float` > 0.0", "$.compress.student.width_share"]),
        ("compress.distillation.top", 0, ["`int` >= 1", "$.compress.distillation.top"]),
        ("compress.blocks", 0, ["`int` >= 1", "$.compress.blocks"]),
        ("compress.bits", 9, ["`int` <= 8", "$.compress.bits"]),
        ("split.test_share", float("nan"), ["$.split.test_share"]),
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
        ("train.precision", "half", ["'half'", "$.train.precision"]),
        ("train", None, ["null", "$.train"]),
        ("paths.raw", 7, ["`str`", "`int`", "$.paths.raw"]),
        ("ingest.source", "movielens", ["'movielens'", "$.ingest.source"]),
        ("tune.sampler", "bayes", ["'bayes'", "$.tune.sampler"]),
        ("tune.model", "nobody", ["tune.model must be one of tune.space", "nobody"]),
        ("tune.space.nobody", {}, ["tune.space must hold models of train.models alone. Received: nobody"]),
        (f"{SPACE}.epochs", {"choices": [1]}, [f"{SPACE}.epochs is no setting of its model, which has embedding_dim"]),
        (f"{SPACE}.family", {"choices": ["ease"]}, [f"{SPACE}.family is no setting"]),
        (f"{SPACE}.dropout", {"choices": [0.1, "x"]}, [f"{SPACE}.dropout has a choice", "`float`", "`str`"]),
        (f"{SPACE}.batch_size", {"choices": [64, 1.5]}, [f"{SPACE}.batch_size has a choice", "`int`", "`float`"]),
        (f"{SPACE}.batch_size", {**RANGE, "high": 2.5}, [f"{SPACE}.batch_size must have a range of whole numbers"]),
        (f"{SPACE}.batch_size", {**RANGE, "step": 0.5}, [f"{SPACE}.batch_size must have a range of whole numbers"]),
        (f"{SPACE}.hidden_units", RANGE, [f"{SPACE}.hidden_units must have choices: only numbers"]),
        (f"{SPACE}.dropout", {**RANGE, "low": 2}, ["low < high", "low 2, high 2", "$.tune.space"]),
        (f"{SPACE}.dropout", {**RANGE, "step": 0.3}, ["one that leads to high", "step 0.3"]),
        (f"{SPACE}.dropout", {**RANGE, "low": 0, "log": True}, ["with log low > 0"]),
        (f"{SPACE}.dropout", {"low": 1, "high": 2}, ["must be {low, high, log, step} or {choices}", "`log`"]),
        (f"{SPACE}.dropout", {**RANGE, "high": 3}, [f"{SPACE}.dropout has an end that the model refuses", "< 1.0"]),
        (f"{SPACE}.dropout", {"choices": []}, ["at least one, distinct and finite"]),
        (f"{SPACE}.dropout", {"choices": [0.1, 0.1]}, ["at least one, distinct and finite"]),
        (f"{SPACE}.dropout", {"choices": [0.1, float("nan")]}, ["at least one, distinct and finite"]),
        (f"{SPACE}.dropout", {**RANGE, "high": float("inf")}, ["low < high", "high inf"]),
        (f"{SPACE}.dropout", 0.5, ["must be {low, high, log, step} or {choices}"]),
        ("train.threads", 0, ["`int` >= 1", "$.train.threads"]),
        ("train.models.two-tower.half_lives", [], ["length >= 1", "$.train.models[...].half_lives"]),
        ("train.models.two-tower.half_lives", [1.0, 0.0], ["`float` > 0.0", "$.train.models[...].half_lives[1]"]),
        ("train.models.two-tower.embedding_dim", 0, ["`int` >= 1", "$.train.models[...].embedding_dim"]),
        ("train.models.transformer.embedding_dim", 66, ["a multiple of the number of half_lives, 4. Received: 66"]),
        ("train.models.ease.l2", 0.0, ["`float` > 0.0", "$.train.models[...].l2"]),
        ("train.models.blend", WRITTEN["train"]["models"]["ease"], ["train.models must not have blend, switch, two-"]),
        ("featurize.popularity_windows_days", [36500, 7], ["must rise. Received: [36500, 7]", "$.featurize"]),
        ("featurize.popularity_windows_days", [], ["length >= 1", "$.featurize.popularity_windows_days"]),
        ("blend.steps", [3, 10], ["steps must begin with 0", "$.blend"]),
        ("blend.steps", [0, 10, 3], ["steps must rise. Received: [0, 10, 3]", "$.blend"]),
        ("blend.parts", [], ["length >= 1", "$.blend.parts"]),
        ("evaluate.cutoffs", [5, 20], ["cutoffs must have 10", "Received: [5, 20]", "$.evaluate"]),
        ("evaluate.primary_metric", "ndcg@10", ["must be one of ndcg_at_10, ", "Received: ndcg@10", "$.evaluate"]),
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


def test_a_sequence_model_is_not_asked_beyond_its_window(tmp_path: Path) -> None:
    path = _changed(tmp_path, "featurize.history_length", 20)
    assert params.load(path).featurize.history_length == 20  # no sequence model is among `models`
    whole = yaml.safe_load(path.read_text())
    whole["models"].append("transformer")
    path.write_text(yaml.safe_dump(whole))
    with pytest.raises(params.ParamsError, match=r"transformer\.stride must be at most .*, 20\. Received: 50"):
        params.load(path)


def test_a_temperature_of_0_is_one(tmp_path: Path) -> None:
    found = params.load(_changed(tmp_path, "train.models.transformer.temperature", 0.0))
    chosen = found.train.models["transformer"]
    assert isinstance(chosen, params.Sequence)
    assert chosen.temperature == 0


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
