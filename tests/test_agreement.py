"""What is stated in more than one place is stated alike: dvc.yaml, tasks/, params.yaml, serving/settings.py."""

import re
import string
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

import params
from serving import settings as serving_settings
from tasks import steps
from tests.closure import closure

ROOT = Path(__file__).parents[1]
GRAPH: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
WRITTEN: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
STAGES = list(GRAPH)
OURS = ("dataset", "evaluation", "flows", "models", "monitoring", "promotion", "scoring", "serving", "tasks", "tuning")
NOT_STEPS = {
    "__main__",
    "assemble",
    "contenders",
    "examined",
    "fitting",
    "monitor",
    "replay",
    "steps",
    "timing",
    "tournament",
    "tune",
    "validated",
}
"""Modules of tasks/ that are no step of `python -m tasks`."""


class _Names(string.Template):
    """dvc.yaml's interpolation, `${paths.raw}`."""

    braceidpattern = r"[a-z_]+(?:\.[a-z_]+)*"


def _resolved(text: str) -> str:
    values = {f"paths.{name}": value for name, value in WRITTEN["paths"].items()}
    return _Names(text).substitute(values | {"item.model": WRITTEN["models"][0]})


def _entries(stage: str, *kinds: str) -> list[str]:
    """Paths as dvc.yaml writes them, without their options."""
    found = [entry for kind in kinds for entry in GRAPH[stage].get(kind, [])]
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in found]


def _paths_in(value: Any) -> list[str]:
    return [f"{path}" for path in value.values() if isinstance(path, Path)]


def _code(stage: str) -> list[str]:
    """Dependencies that are files and folders of the repository."""
    return [entry for entry in _entries(stage, "deps") if "${" not in entry]


def _uncovered(needed: set[str], listed: list[str]) -> set[str]:
    return {name for name in needed if not any(name == entry or name.startswith(f"{entry}/") for entry in listed)}


def test_the_stages_are_the_reproducible_steps_in_this_order() -> None:
    assert list(steps.REPRODUCIBLE) == STAGES


def test_every_module_of_tasks_is_a_step_or_known_to_be_none() -> None:
    modules = {path.stem for path in (ROOT / "tasks").glob("*.py")}
    assert modules - NOT_STEPS == set(steps.STEPS)
    assert set(steps.STEPS) == set(steps.REPRODUCIBLE) | set(steps.EFFECTFUL)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_module_a_function_a_section_and_a_command(stage: str) -> None:
    tree = (ROOT / "tasks" / f"{stage}.py").read_text()
    assert re.search(rf"^def {stage}\(", tree, re.MULTILINE)
    assert stage in params.Params.__struct_fields__
    command, keys = f"python -m tasks {stage}", {"cmd", "deps", "params", "outs", "metrics", "plots"}
    if stage in steps.PER_MODEL:
        command, keys = f"{command} ${{item.model}}", keys | {"matrix"}
        assert GRAPH[stage]["matrix"] == {"model": "${models}"}
    assert GRAPH[stage]["cmd"] == command
    assert set(GRAPH[stage]) <= keys


def test_the_contestants_that_may_be_named_are_those_there_are() -> None:
    from models.compression.contestants import TRAININGS
    from models.compression.storage import STORAGES

    assert get_args(params.Training) == tuple(TRAININGS)
    assert get_args(params.Storage) == tuple(STORAGES)


def test_the_names_that_no_model_may_have_are_those_of_the_models_above() -> None:
    from tasks import blend, rank

    assert params.ABOVE == (blend.BLEND, blend.SWITCH, rank.NAME)


def test_tuning_is_a_module_a_function_and_a_section_that_no_stage_reads() -> None:
    assert re.search(r"^def tune\(", (ROOT / "tasks" / "tune.py").read_text(), re.MULTILINE)
    assert "tune" in params.Params.__struct_fields__
    assert "tune" not in {name.split(".")[0] for stage in STAGES for name in GRAPH[stage]["params"]}


def test_the_sections_of_the_file_are_the_fields_of_the_class() -> None:
    assert list(WRITTEN) == list(params.Params.__struct_fields__)
    assert params.load(ROOT / "params.yaml").seed == WRITTEN["seed"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_dependencies_cover_all_code_that_a_stage_imports(stage: str) -> None:
    needed = closure(ROOT / "tasks" / f"{stage}.py", ROOT) - {"params.py"}
    assert f"tasks/{stage}.py" in needed
    assert _uncovered(needed, _code(stage)) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_the_dependencies_hold_nothing_that_is_not_there_or_not_needed(stage: str) -> None:
    needed = closure(ROOT / "tasks" / f"{stage}.py", ROOT)
    for entry in _code(stage):
        assert (ROOT / entry).exists(), entry
        assert any(name == entry or name.startswith(f"{entry}/") for name in needed), f"{entry} is not imported"


def test_a_missing_dependency_would_be_noticed() -> None:
    needed = closure(ROOT / "tasks" / "train.py", ROOT)
    assert "models/fit.py" in needed
    assert "dataset/world.py" in needed
    fewer = [entry for entry in _code("train") if entry != "durable.py"]
    assert _uncovered(needed, fewer) == {"durable.py", "params.py"}
    assert _uncovered({"models/fit.py"}, ["models/fit", "model"]) == {"models/fit.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_the_listed_parameters_are_the_sections_that_the_step_receives(stage: str) -> None:
    settings = params.load(ROOT / "params.yaml")
    received = steps.REPRODUCIBLE[stage](settings)
    given = {key for key, value in received.items() if not isinstance(value, Path)}
    sections = {
        name
        for name in params.Params.__struct_fields__
        for key in given
        if received[key] is getattr(settings, name) and (name == "seed") == (key == "seed")
    }
    assert len(sections) == len(given)
    assert {name.split(".")[0] for name in GRAPH[stage]["params"]} == sections


def test_a_model_is_trained_anew_by_its_own_settings_and_the_shared_ones_alone() -> None:
    shared = {f"train.{name}" for name in params.Train.__struct_fields__ if name != "models"}
    own = "train.models.${item.model}"
    assert {name for name in GRAPH["train"]["params"] if name.startswith("train")} == shared | {own}
    assert {name for name in GRAPH["compress"]["params"] if name.startswith("train")} == {"train.threads", own}


@pytest.mark.parametrize("stage", STAGES)
def test_data_is_named_by_paths_alone_and_is_what_the_step_receives(stage: str) -> None:
    written = [entry for entry in _entries(stage, "deps") if "${" in entry]
    outputs = _entries(stage, "outs", "metrics", "plots")
    for entry in written + outputs:
        assert re.match(r"\$\{paths\.[a-z]+\}", entry), entry
    received = _paths_in(steps.REPRODUCIBLE[stage](params.load(ROOT / "params.yaml")))
    assert received
    for path in received:
        named = [entry for entry in written + outputs if _resolved(entry) == path or f"{path}/" in _resolved(entry)]
        assert named, f"{stage} receives {path}, dvc.yaml does not say so"
    owned = [_resolved(entry) for entry in written + outputs]
    assert [entry for entry in owned if not any(f"{entry}/".startswith(f"{path}/") for path in received)] == []


@pytest.mark.parametrize("module", ["params", "durable", "digest", "highest"])
def test_the_lowest_modules_import_nothing_of_ours(module: str) -> None:
    assert closure(ROOT / f"{module}.py", ROOT) == {f"{module}.py"}


def test_no_file_of_ours_escapes_the_closure_by_a_relative_import() -> None:
    """tests/closure.py reads absolute imports only."""
    files = [path for name in OURS for path in (ROOT / name).rglob("*.py")]
    assert len(files) > 50
    relative = [path for path in files if re.search(r"^\s*from \.", path.read_text(), re.MULTILINE)]
    assert relative == []


def test_the_endpoint_s_defaults_are_those_of_params_yaml() -> None:
    settings, defaults = params.load(ROOT / "params.yaml"), serving_settings.read({})
    assert defaults.exposures == settings.paths.exposures
    assert defaults.max_body_bytes == settings.serve.max_body_bytes
    assert defaults.max_concurrency == settings.serve.max_concurrency
    assert defaults.timeout_seconds == settings.serve.timeout_seconds
    assert defaults.workers == settings.serve.workers
    assert defaults.largest_batch == settings.serve.largest_batch
    ours, theirs = defaults, settings.serve
    cached = (theirs.cache_entries, theirs.cache_seconds, theirs.redis)
    assert (ours.cache_entries, ours.cache_seconds, ours.redis) == cached
    assert (defaults.access_log, defaults.telemetry) == (settings.serve.access_log, settings.serve.telemetry)
    described = set(settings.serve.__struct_fields__) - {"host", "port"}
    assert described == set(serving_settings.Settings.__dataclass_fields__) - {"servable", "exposures"}


def test_the_endpoint_s_page_of_settings_names_the_same_values() -> None:
    said = serving_settings.__doc__ or ""
    shown = dict(re.findall(r"(PODIUM_[A-Z_]+) .*\(([^)]+)\)$", said, re.MULTILINE))
    defaults = serving_settings.read({})
    assert shown == {
        "PODIUM_EXPOSURES": str(defaults.exposures),
        "PODIUM_MAX_BODY_BYTES": str(defaults.max_body_bytes),
        "PODIUM_MAX_CONCURRENCY": str(defaults.max_concurrency),
        "PODIUM_TIMEOUT_SECONDS": str(defaults.timeout_seconds),
        "PODIUM_WORKERS": str(defaults.workers),
        "PODIUM_LARGEST_BATCH": str(defaults.largest_batch),
        "PODIUM_CACHE_ENTRIES": str(defaults.cache_entries),
        "PODIUM_CACHE_SECONDS": str(defaults.cache_seconds),
        "PODIUM_ACCESS_LOG": str(defaults.access_log).lower(),
    }
