"""The flow's way through the stages and DVC's own are one: real commands in a small project."""

import csv
import io
import re
from pathlib import Path
from typing import IO

import pytest
import yaml

import digest
from flows import reproduce
from tests.flows import project
from tests.flows.conftest import Done
from tests.small import MODELS

ORDERS = Path("data/inbox/orders-2.csv")
ONE_STAGE = """
import sys
from flows import reproduce
def note(what: str) -> None:
    with open("order.txt", "a") as file:
        file.write(f"{sys.argv[1]} {what}\\n")
note("waits")
with reproduce.exclusive():
    note("enters")
    reproduce.reproduce("evaluate")
    note("leaves")
"""
HOLDS_DVC = """
from dvc.repo import Repo
with Repo().lock:
    print("held", flush=True)
    input()
"""
ANOTHER_STAGE = "from flows import reproduce; reproduce.reproduce('split')"


@pytest.fixture
def copy(done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project after its first run, to be changed; the working directory, so that flows/ works in it."""
    copied = project.copy(done.flow, tmp_path / "copy")
    monkeypatch.chdir(copied)
    for name, value in project.environment(copied).items():
        monkeypatch.setenv(name, value)
    return copied


def _ran(said: str) -> list[str]:
    return re.findall(r"Running stage '([\w@-]+)'", said)


def _skipped(said: str) -> list[str]:
    return re.findall(r"Stage '([\w@-]+)' didn't change, skipping", said)


def _changed(folder: Path) -> set[str]:
    return set(re.findall(r"^([\w@-]+):$", project.dvc(folder, "status"), re.MULTILINE))


def _line_with(text: str, said: IO[str] | None) -> str:
    """Everything up to the first line with `text`."""
    assert said is not None
    lines = []
    for line in said:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"no line with {text!r} in:\n{''.join(lines)}")


def test_flow_and_dvc_leave_the_same_lock(done: Done) -> None:
    flow, plain = ((folder / "dvc.lock").read_bytes() for folder in (done.flow, done.plain))
    assert list(yaml.safe_load(flow)["stages"]) == project.STAGES
    assert flow == plain
    for name in ("data/features", "artifacts/variants", "artifacts/blend", "artifacts/rank", "artifacts/evaluation"):
        assert digest.of_files(done.flow / name) == digest.of_files(done.plain / name)


def test_the_order_is_that_of_the_graph(copy: Path) -> None:
    assert reproduce.stages() == project.STAGES


def test_nothing_to_do_means_nothing_done(copy: Path) -> None:
    before = (copy / "dvc.lock").read_bytes()
    said = project.dvc(copy, "repro")
    assert (_ran(said), _skipped(said)) == ([], project.STAGES)
    said = project.run(copy, "-c", project.EVERY_STAGE)
    assert (_ran(said), _skipped(said)) == ([], project.STAGES)
    assert (copy / "dvc.lock").read_bytes() == before


def test_one_value_runs_the_stages_that_read_it_and_no_other(copy: Path) -> None:
    project.commit(copy, "first run")
    compressed = {f"compress@{model}" for model in MODELS}
    project.change(copy, "evaluate", bootstrap_samples=60)
    assert _changed(copy) == {*compressed, "blend", "rank", "evaluate"}
    project.change(copy, "promote", min_users=6)
    project.change(copy, "evaluate", bootstrap_samples=50)
    assert "up to date" in project.dvc(copy, "status")


def test_code_runs_the_stage_that_imports_it_and_no_other(copy: Path) -> None:
    with (copy / "evaluation" / "plots.py").open("a") as file:
        file.write("\n")
    assert _changed(copy) == {*(f"compress@{model}" for model in MODELS), "blend", "rank", "evaluate"}


def test_metrics_and_plots_are_shown_and_compared(copy: Path) -> None:
    project.commit(copy, "first run")
    shown = project.dvc(copy, "metrics", "show", "--md")
    for subject in ("two-tower-pruned-tied-8", "popularity", "item-knn", "blend"):
        assert subject in shown
    assert "ndcg_at_10" in shown
    assert project.dvc(copy, "metrics", "diff").strip() == ""
    chosen = next((copy / "artifacts" / "evaluation" / "metrics").glob("popularity*"))
    text = chosen.read_text()
    chosen.write_text(re.sub(r'("ndcg_at_10": )[0-9.e-]+', r"\g<1>0.75", text))
    assert chosen.read_text() != text
    assert "0.75" in project.dvc(copy, "metrics", "diff")
    project.dvc(copy, "plots", "show")
    page = copy / "dvc_plots" / "index.html"
    pictures = re.findall(r'<img[^>]* src="([^"]+)"', page.read_text())
    assert len(pictures) >= 2
    for picture in pictures:
        assert picture.startswith("data:image/png") or (page.parent / picture).read_bytes().startswith(b"\x89PNG")


def test_an_experiment_changes_one_value_for_one_run(copy: Path) -> None:
    project.commit(copy, "first run")
    said = project.dvc(copy, "exp", "run", "--name", "short", "-S", "train.epochs=1", "train")
    trained = [f"train@{model}" for model in MODELS]
    assert (sorted(_ran(said)), _skipped(said)) == (sorted(trained), project.STAGES[:4])
    assert yaml.safe_load((copy / "params.yaml").read_text())["train"]["epochs"] == 1
    table = list(csv.DictReader(io.StringIO(project.dvc(copy, "exp", "show", "--csv"))))
    epochs = {row["Experiment"] or row["rev"]: row["train.epochs"] for row in table}
    assert epochs["short"] == "1"
    assert "2" in epochs.values()


def test_a_bad_log_stops_its_stage_with_file_and_row(copy: Path) -> None:
    good = ORDERS.read_text()
    lines = good.splitlines()
    broken = [line.replace("T", " at ", 1) if 100 <= row < 300 else line for row, line in enumerate(lines, start=1)]
    ORDERS.write_text("\n".join(broken) + "\n")
    features, prepared = (digest.of_folder(copy / "data" / name) for name in ("features", "prepared"))
    reproduce.reproduce("ingest")
    with pytest.raises(reproduce.StageError) as caught:
        reproduce.reproduce("prepare")
    said = str(caught.value)
    assert said.startswith("stage prepare failed:\n")
    for part in ("orders-2.csv", "row 100", "bought_at", "Traceback"):
        assert (part in said) == (part != "Traceback"), said
    assert (copy / "data" / "raw" / "manifest.json").exists()
    assert digest.of_folder(copy / "data" / "features") == features
    assert not (copy / "data" / "prepared").exists(), "DVC takes away what a stage is to write anew"
    project.dvc(copy, "checkout", "data/prepared")
    assert digest.of_folder(copy / "data" / "prepared") == prepared
    ORDERS.write_text(good)
    project.dvc(copy, "repro", "prepare")
    assert "up to date" in project.dvc(copy, "status")


def test_two_runs_at_once_wait_for_each_other(copy: Path) -> None:
    project.change(copy, "evaluate", bootstrap_samples=60)
    with (
        project.start(copy, "-c", ONE_STAGE, "a") as first,
        project.start(copy, "-c", ONE_STAGE, "b") as second,
    ):
        said = [process.communicate()[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), "\n".join(said)
    order = [line.split() for line in (copy / "order.txt").read_text().splitlines()]
    waits = [place for place, (_, what) in enumerate(order) if what == "waits"]
    leaves = [place for place, (_, what) in enumerate(order) if what == "leaves"]
    assert max(waits) < min(leaves), "they did not overlap, which shows nothing"
    inside = [(who, what) for who, what in order if what != "waits"]
    one, other = inside[0][0], inside[2][0]
    assert inside == [(one, "enters"), (one, "leaves"), (other, "enters"), (other, "leaves")]
    assert sorted(_ran("\n".join(said))) == ["evaluate"]


def test_a_foreign_command_that_has_the_folder_is_waited_for(copy: Path) -> None:
    with project.start(copy, "-c", ANOTHER_STAGE) as alone:
        assert "Unable to acquire lock" not in alone.communicate()[0]
    with project.start(copy, "-c", HOLDS_DVC) as holder:
        _line_with("held", holder.stdout)
        with project.start(copy, "-c", ANOTHER_STAGE) as waiting:
            _line_with("Unable to acquire lock", waiting.stdout)
            holder.communicate("\n")
            said = waiting.communicate()[0]
    assert holder.returncode == 0
    assert waiting.returncode == 0, said
    assert _skipped(said) == ["split"]


def test_a_foreign_command_that_runs_the_stage_is_waited_for(copy: Path) -> None:
    graph = copy / "dvc.yaml"
    command = "python -m tasks split"
    graph.write_text(graph.read_text().replace(command, f"{command} && while test -e hold; do sleep 0.1; done"))
    (copy / "hold").touch()
    with project.start(copy, "-m", "dvc", "repro", "--single-item", "split") as foreign:
        _line_with("split done", foreign.stdout)
        with project.start(copy, "-c", ANOTHER_STAGE) as waiting:
            _line_with("is busy", waiting.stdout)
            (copy / "hold").unlink()
            foreign.communicate()
            said = waiting.communicate()[0]
    assert foreign.returncode == 0
    assert waiting.returncode == 0, said
    assert _skipped(said) == ["split"]
