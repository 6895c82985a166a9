import getpass
import subprocess
import sys
from pathlib import Path

import pytest

from promotion import __main__ as cli
from promotion.registry import Registry, Version

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
def versions(folder: Path, tmp_path: Path) -> list[Version]:
    """Two versions; the first was champion, the second is."""
    registered = []
    with Registry(folder) as registry:
        for generation, text in enumerate(("old", "new")):
            (tmp_path / text).mkdir()
            (tmp_path / text / "manifest.json").write_text(text)
            version = registry.register(tmp_path / text)
            reason = f"[bold]{text}[/bold]"
            decision = {"gain": 0.25}
            registry.promote(
                version.digest,
                alias="champion",
                expected_generation=generation,
                decision=decision,
                actor="gate",
                reason=reason,
            )
            registered.append(version)
    return registered


def test_list_shows_versions_and_aliases(
    folder: Path, versions: list[Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--registry", str(folder), "list"]) == 0
    header, old, new = capsys.readouterr().out.splitlines()
    assert header.split() == ["version", "registered", "bytes", "files", "alias"]
    assert old.split() == [versions[0].digest[:12], versions[0].time, "3", "1"]
    assert new.split() == [versions[1].digest[:12], versions[1].time, "3", "1", "champion"]


def test_show_prints_digest_files_and_decisions(
    folder: Path, versions: list[Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--registry", str(folder), "show", "champion"]) == 0
    out = capsys.readouterr().out
    assert f"version     {versions[1].digest}\n" in out
    assert versions[1].files["manifest.json"] in out
    assert "generation 2: promote champion by gate at " in out
    assert '{"gain":0.25}' in out
    assert versions[0].digest not in out
    assert cli.main(["--registry", str(folder), "show", versions[0].digest[:8]]) == 0
    assert versions[0].digest in capsys.readouterr().out


def test_history_shows_every_event_as_it_was_written(
    folder: Path, versions: list[Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--registry", str(folder), "history"]) == 0
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "1"
    assert second.split()[2:] == [
        "promote",
        "champion",
        versions[1].digest[:12],
        versions[0].digest[:12],
        "gate",
        "[bold]new[/bold]",
    ]


def test_rollback_keeps_actor_and_reason(
    folder: Path, versions: list[Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--registry", str(folder), "rollback", "--reason", "too slow", "--actor", "ops"]) == 0
    assert capsys.readouterr().out == f"generation 3: champion is {versions[0].digest}\n"
    with Registry(folder) as registry:
        event = registry.history()[-1]
        assert (event.kind, event.actor, event.reason) == ("rollback", "ops", "too slow")
        assert registry.champion() == versions[0]
    assert cli.main(["--registry", str(folder), "rollback", "--reason", "again"]) == 1
    assert "RegistryError" in capsys.readouterr().err


def test_rollback_is_by_the_user_unless_told(folder: Path, versions: list[Version]) -> None:
    assert cli.main(["--registry", str(folder), "rollback", "--reason", "too slow"]) == 0
    with Registry(folder) as registry:
        assert registry.history()[-1].actor == getpass.getuser()


def test_rollback_needs_a_reason(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--registry", str(folder), "rollback"])
    assert caught.value.code == 2
    assert "--reason" in capsys.readouterr().err


def test_verify_says_whole_or_what_is_wrong(
    folder: Path, versions: list[Version], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--registry", str(folder), "verify"]) == 0
    assert capsys.readouterr().out == "whole: 2 versions, 2 events\n"
    (versions[0].path / "manifest.json").unlink()
    (versions[1].path / "extra.json").write_text("")
    (folder / "head.json").write_text("")
    assert cli.main(["--registry", str(folder), "verify"]) == 1
    head, first, second = capsys.readouterr().out.splitlines()
    assert "head.json: not a head file" in head
    assert versions[0].digest in first
    assert "extra.json" in second


@pytest.mark.parametrize("arguments", [["show", "champion"], ["show", "deadbeef"], ["rollback", "--reason", "x"]])
def test_what_an_empty_registry_cant_do_ends_with_1(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Registry(folder).close()
    assert cli.main(["--registry", str(folder), *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("RegistryError: ")


@pytest.mark.parametrize("arguments", [["list"], ["history"], ["verify"], ["show", "champion"]])
@pytest.mark.parametrize("file", [None, "registry.sqlite"])
def test_a_registry_that_is_not_there_is_neither_whole_nor_made(
    folder: Path, arguments: list[str], file: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of no length is what a kill leaves of one that was being made."""
    if file:
        folder.mkdir()
        (folder / file).touch()
    assert cli.main(["--registry", str(folder), *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{folder}: no registry" in captured.err
    assert [path.name for path in folder.glob("*")] == ([file] if file else [])


def test_empty_registry_is_said_to_be_empty(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Registry(folder).close()
    for command, text in (("list", "no versions\n"), ("history", "no events\n"), ("verify", "whole: 0 versions")):
        assert cli.main(["--registry", str(folder), command]) == 0
        assert capsys.readouterr().out.startswith(text)


def test_default_folder_is_that_of_the_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("artifacts/registry", "elsewhere/registry"))
    monkeypatch.chdir(tmp_path)
    Registry(tmp_path / "elsewhere" / "registry").close()
    assert cli.main(["list"]) == 0


def test_module_runs_as_a_command_with_its_exit_code(folder: Path) -> None:
    Registry(folder).close()
    command = [sys.executable, "-m", "promotion", "--registry", str(folder), "show", "champion"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "there is no champion yet" in done.stderr
