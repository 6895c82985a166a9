"""The rules of .importlinter have no holes: each names whole packages, and each package of ours is in it."""

import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOMES = {
    "prefect": "flows",
    "tensorflow": "models",
    "evidently": "monitoring",
    "bentoml": "serving",
    "optuna": "tuning",
}
"""Contract about a library -> the package that may import it."""
ALLOWED = {
    "dataset": set[str](),
    "models": {"dataset", "scoring"},
    "evaluation": {"dataset"},
    "monitoring": set[str](),
    "promotion": {"evaluation"},
    "tuning": set[str](),
}
"""Contract of a package -> packages it may import something of."""


@pytest.fixture
def contracts() -> dict[str, dict[str, list[str]]]:
    """Contract -> its options, as lists; `importlinter` itself has the packages that are looked at."""
    read = configparser.ConfigParser()
    read.read(ROOT / ".importlinter")
    return {
        name.removeprefix("importlinter:contract:"): {key: text.split() for key, text in read[name].items()}
        for name in read.sections()
    }


def test_every_package_is_looked_at(contracts: dict[str, dict[str, list[str]]]) -> None:
    packages = {path.parent.name for path in ROOT.glob("*/*.py")} - {"tests", "benchmarks"}
    assert set(contracts["importlinter"]["root_packages"]) == packages


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_a_library_is_forbidden_to_all_packages_but_one(
    contracts: dict[str, dict[str, list[str]]], library: str, home: str
) -> None:
    whole = set(contracts["importlinter"]["root_packages"])
    assert set(contracts[library]["source_modules"]) == whole - {home}


@pytest.mark.parametrize(("package", "allowed"), ALLOWED.items())
def test_a_package_is_forbidden_every_other_that_it_is_not_allowed(
    contracts: dict[str, dict[str, list[str]]], package: str, allowed: set[str]
) -> None:
    whole = set(contracts["importlinter"]["root_packages"])
    forbidden = set(contracts[package]["forbidden_modules"])
    assert whole - forbidden == allowed | {package}


def test_what_is_partly_allowed_is_forbidden_as_a_whole_with_exceptions(
    contracts: dict[str, dict[str, list[str]]],
) -> None:
    parts = {name: _parts(rules.get("forbidden_modules", [])) for name, rules in contracts.items()}
    assert {name: found for name, found in parts.items() if found} == {
        "scoring": {"dataset.*"},
        "promotion": {"evaluation.*"},
        "flows": {"dataset.*", "models.*"},
    }


def _parts(modules: list[str]) -> set[str]:
    return {name for name in modules if "." in name}
