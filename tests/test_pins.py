"""uv.lock stays at or above the versions with security fixes, and below those that are known to break something."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
FLOORS = {
    "bentoml": "1.4.39",
    "starlette": "1.3.1",
    "prefect": "3.6.28",
    "keras": "3.14.1",
    "gitpython": "3.1.58",
    "litestar": "2.20",
    "nltk": "3.10.4",
    "dulwich": "1.2.5",
}
"""The first release without the advisories that the comments in pyproject.toml name."""
CAPS = {"pandas": "3", "fastapi": "0.151", "sqlalchemy": "2.1"}
"""The first release that breaks; tests/flows/test_prefect.py runs the server that sqlalchemy 2.1 stops."""


def _locked() -> dict[str, list[Version]]:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    found: dict[str, list[Version]] = {}
    for package in lock["package"]:
        if "version" in package:
            found.setdefault(package["name"], []).append(Version(package["version"]))
    return found


def wrong(versions: dict[str, list[Version]], floors: dict[str, str], caps: dict[str, str]) -> list[str]:
    """Packages that are missing, below their floor, or not below their cap, pre-releases of the cap included."""
    said = []
    for name in {**floors, **caps}:
        if not versions.get(name):
            said.append(f"{name}: not there")
        for version in versions.get(name, []):
            if name in floors and version < Version(floors[name]):
                said.append(f"{name} {version} < {floors[name]}")
            if name in caps and version.release >= Version(caps[name]).release:
                said.append(f"{name} {version} >= {caps[name]}")
    return said


def test_the_lock_is_within_the_bounds() -> None:
    assert wrong(_locked(), FLOORS, CAPS) == []


def test_what_is_installed_is_within_the_bounds() -> None:
    installed = {name: [Version(metadata.version(name))] for name in {**FLOORS, **CAPS}}
    assert wrong(installed, FLOORS, CAPS) == []


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.2.9", ["starlette 1.2.9 < 1.3.1"]),
        ("1.3.1rc1", ["starlette 1.3.1rc1 < 1.3.1"]),
        ("1.3.1", []),
        ("1.10.0", []),
        ("2.0.9", []),
        ("2.1.0b1", ["starlette 2.1.0b1 >= 2.1"]),
        ("2.1", ["starlette 2.1 >= 2.1"]),
        ("2.10", ["starlette 2.10 >= 2.1"]),
    ],
)
def test_the_comparison_sees_what_is_wrong(version: str, said: list[str]) -> None:
    assert wrong({"starlette": [Version(version)]}, {"starlette": "1.3.1"}, {"starlette": "2.1"}) == said


def test_the_comparison_sees_every_version_and_none() -> None:
    two = {"keras": [Version("3.14.1"), Version("3.9")]}
    assert wrong(two, {"keras": "3.14.1"}, {}) == ["keras 3.9 < 3.14.1"]
    assert wrong({}, {"keras": "3.14.1"}, {}) == ["keras: not there"]


def test_pyproject_states_the_bounds_for_the_next_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = {str(canonicalize_name(found.name)): found for found in map(Requirement, project["dependencies"])}
    for name, floor in FLOORS.items():
        bound = next(part for part in stated[name].specifier if part.operator in (">=", "=="))
        assert Version(bound.version) >= Version(floor), name
    for name, cap in CAPS.items():
        assert f"<{cap}" in str(stated[name].specifier).split(","), name
