"""What the verbs of the Makefile do, where that can be seen without hours."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_OURS_ALONE = {"movielens_1m", "side_by_side"}
"""The one needs a data set that has to be fetched by hand, the other is `make peers`."""


def _commands(verb: str) -> list[str]:
    done = subprocess.run(["make", "-n", verb], cwd=ROOT, capture_output=True, text=True, check=True)
    return re.findall(r"^python -m benchmarks\.(\w+)", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("verb", ["bench", "peers"])
def test_the_tables_are_written_when_all_figures_are_there(verb: str) -> None:
    *figures, last = _commands(verb)
    assert last == "readme"
    assert figures
    assert "readme" not in figures


def test_bench_makes_all_figures_of_our_own() -> None:
    said = set()
    for path in (ROOT / "docs" / "results").glob("*.csv"):
        with path.open() as file:
            said |= {row["command"].split()[2].removeprefix("benchmarks.") for row in csv.DictReader(file)}
    assert len(said) > 5
    assert said - NOT_OURS_ALONE == set(_commands("bench")) - {"readme"}


def test_clean_leaves_what_cannot_be_made_again(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    for name in ("registry", "exposures", "tuning", "model", "reports"):
        (tmp_path / "artifacts" / name).mkdir(parents=True)
    for name in (".venv", ".cache", "data/raw", "data/inbox"):
        (tmp_path / name).mkdir(parents=True)
    for _ in range(2):
        subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, check=True)
        assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {"registry", "exposures", "tuning"}
        assert {path.name for path in tmp_path.iterdir()} == {"Makefile", "pyproject.toml", "artifacts", "data"}
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["inbox"]
