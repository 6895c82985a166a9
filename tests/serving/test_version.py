import shutil
from pathlib import Path

import pytest

import digest
from serving import version
from serving.version import VersionError


def _model(folder: Path) -> str:
    """A model as it lies in BentoML's store; returns its label."""
    source = folder / "source"
    source.mkdir()
    (source / "manifest.json").write_text("{}")
    name = digest.of_folder(source)
    shutil.copytree(source, folder / "model" / name)
    (folder / "model" / "model.yaml").write_text("")
    return name


def test_the_folder_named_by_the_label_is_served(tmp_path: Path) -> None:
    name = _model(tmp_path)
    found = version.of_model(tmp_path / "model", name)
    assert found == version.Version(tmp_path / "model" / name, name)
    assert version.of_folder(tmp_path / "source").digest == name


def test_changed_bytes_are_refused(tmp_path: Path) -> None:
    name = _model(tmp_path)
    (tmp_path / "model" / name / "manifest.json").write_text("{ }")
    with pytest.raises(VersionError, match="changed"):
        version.of_model(tmp_path / "model", name)


@pytest.mark.parametrize("label", ["", "0" * 64])
def test_a_model_without_its_folder_is_refused(tmp_path: Path, label: str) -> None:
    _model(tmp_path)
    with pytest.raises(VersionError, match="label"):
        version.of_model(tmp_path / "model", label)
