import shutil
from pathlib import Path

import pytest

from benchmarks import readme

ROOT = Path(__file__).parents[2]


def test_the_tables_of_the_readme_are_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make bench` would write stands there."""
    monkeypatch.chdir(ROOT)
    assert readme.main(["--check"]) == 0


def test_whatever_does_not_agree_is_noticed_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "docs/results", tmp_path / "docs/results")
    text = (ROOT / "README.md").read_text()
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text(text.replace("| Podium |", "| Others |"))
    assert readme.main(["--check"]) == 1
    assert readme.main([]) == 0
    assert Path("README.md").read_text() == text


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    begin, end = readme.BEGIN.format("quality"), readme.END.format("quality")
    text = f"before\n{begin}\nold\n{end}\nafter"
    assert readme.replaced(text, "quality", "new") == f"before\n{begin}\n\nnew\n\n{end}\nafter"
    with pytest.raises(SystemExit, match=r"README.md: must hold the lines .*serving"):
        readme.replaced(text, "serving", "new")
