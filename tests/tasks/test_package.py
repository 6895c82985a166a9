"""The champion becomes `podium:latest`, also after a registry was put back."""

import shutil
from pathlib import Path

import digest
from tests.packaging import package, promote


def test_a_champion_of_before_is_packaged_anew_after_its_registry_was_put_back(tmp_path: Path) -> None:
    registry, backup, servable = tmp_path / "registry", tmp_path / "backup", tmp_path / "servable"
    servable.mkdir()
    (servable / "manifest.json").write_text("1")
    first = promote(registry, servable)
    version, model, bento, built = package(tmp_path, registry)
    assert (version, model, built) == (first, f"podium:{first[:12]}-1", "True")
    assert package(tmp_path, registry) == [version, model, bento, "False"]
    shutil.copytree(registry, backup)
    (servable / "manifest.json").write_text("2")
    second = promote(registry, servable)
    assert package(tmp_path, registry)[:2] == [second, f"podium:{second[:12]}-2"]
    assert package(tmp_path, backup) == [version, model, bento, "True"]
    (stored,) = tmp_path.rglob(f"models/podium/{first[:12]}-1/{first}")
    assert digest.of_folder(stored) == first
