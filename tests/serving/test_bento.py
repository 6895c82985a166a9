"""`bentoml build` and `bentoml serve podium:...` as a person runs them, in a BentoML home of their own."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

import digest
from serving import servable
from tests.serving import logged, tiny

SAVE_PROGRAM = """
import shutil, sys
from pathlib import Path
import bentoml

source, digest = sys.argv[1:]
with bentoml.models.create(f"podium:{digest[:40]}", labels={"digest": digest}) as model:
    shutil.copytree(source, Path(model.path) / digest)
"""


def _run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tiny.ROOT, env=tiny.isolated(folder), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _package(folder: Path, source: Path) -> str:
    """Puts a servable into the model store, builds a bento of it, and returns the bento's tag."""
    _run(folder, "-c", SAVE_PROGRAM, str(source), digest.of_folder(source))
    return _run(folder, "-m", "bentoml", "build", "--output", "tag").strip().rpartition("__tag__:")[2]


@pytest.fixture
def newer(tiny_servable: Path, tmp_path: Path) -> Path:
    """The tiny servable with popularity the other way round."""
    folder = tmp_path / "newer"
    folder.mkdir()
    for path in tiny_servable.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    whole = servable.read(folder)
    np.save(folder / "popular.npy", whole.popular[::-1])
    return folder


def test_each_bento_serves_the_model_it_was_built_with(tiny_servable: Path, newer: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    older_bento = _package(tmp_path, tiny_servable)
    newer_bento = _package(tmp_path, newer)
    assert older_bento != newer_bento
    for bento, source, first in ((older_bento, tiny_servable, "item-11"), ("podium:latest", newer, "item-0")):
        with tiny.serving(
            bento, tmp_path, environment={"PODIUM_EXPOSURES": "own/exposures"}, working_directory=elsewhere
        ) as server:
            answer = httpx.post(f"{server.url}/recommend", json={}).json()
        assert (answer["model_version"], answer["items"][0]["item_id"]) == (digest.of_folder(source), first)
    # Relative to where serving was started, not to the bento's folder in which the worker runs.
    versions = {record.version for record in logged.records(elsewhere / "own" / "exposures")}
    assert versions == {digest.of_folder(tiny_servable), digest.of_folder(newer)}


def test_packed_packages_are_locked_versions() -> None:
    packages: list[str] = _bentofile()["python"]["packages"]
    lock = tomllib.loads((tiny.ROOT / "uv.lock").read_text())
    locked = {f"{package['name']}=={package['version']}" for package in lock["package"] if "version" in package}
    assert set(packages) <= locked


def test_every_packed_file_exists() -> None:
    for pattern in _bentofile()["include"]:
        assert list(tiny.ROOT.glob(pattern)), pattern


def _bentofile() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((tiny.ROOT / "bentofile.yaml").read_text())
    return read
