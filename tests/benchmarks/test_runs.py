"""Stages run for a seed: what a step said is kept with its mark, and a step that has ended does not run again."""

import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml

import params
from benchmarks import runs
from tests.shop import settings, shop, write


def test_what_a_step_said_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = msgspec.to_builtins(settings(params.load()), enc_hook=str)
    file, run = tmp_path / "params.yaml", tmp_path / "run"
    file.write_text(yaml.safe_dump(whole))
    run.mkdir()
    write(tmp_path / "data/inbox", shop(seed=5), suffix=".csv")
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    runs.run_stages(file, [run], [7], ["ingest"], label="test")
    said = runs.summary(run, "ingest")
    assert (said["source"], said["files"]) == ("files", 4)
    before = (run / "ingest.done").stat().st_mtime_ns
    runs.run_stages(file, [run], [7], ["ingest"], label="test")
    assert (run / "ingest.done").stat().st_mtime_ns == before
    assert not list(run.glob("*.part"))


def test_a_step_that_failed_has_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, run = tmp_path / "params.yaml", tmp_path / "run"
    file.write_bytes(Path("params.yaml").read_bytes())
    run.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        runs.run_stages(file, [run], [7], ["prepare"], label="test")
    assert list(run.iterdir()) == []
