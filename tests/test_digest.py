"""Digests are those of `sha256sum`, so that anybody can check them without this code."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

import digest

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of `abc`, FIPS 180-2, appendix B.1."""
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_bytes(b"abc")
    (tmp_path / "sub.txt").write_bytes(b"")
    (tmp_path / "ä b").write_bytes(b"abc")
    (tmp_path / "hollow").mkdir()
    return tmp_path


def test_a_file_has_the_published_digest(folder: Path) -> None:
    assert digest.of_file(folder / "sub" / "x") == ABC
    assert digest.of_file(folder / "sub.txt") == EMPTY


def test_all_files_below_a_folder_are_named(folder: Path) -> None:
    assert digest.of_files(folder) == {"sub/x": ABC, "sub.txt": EMPTY, "ä b": ABC}
    assert list(digest.of_files(folder)) == ["sub/x", "sub.txt", "ä b"]


def test_a_folder_has_the_digest_of_what_sha256sum_prints(folder: Path) -> None:
    printed = subprocess.run(["sha256sum", "sub/x", "sub.txt", "ä b"], cwd=folder, capture_output=True, check=True)
    assert digest.of_folder(folder) == hashlib.sha256(printed.stdout).hexdigest()
    assert digest.of_list([folder / "sub" / "x"], folder) == hashlib.sha256(f"{ABC}  sub/x\n".encode()).hexdigest()


@pytest.mark.parametrize("change", ["byte", "name", "place", "more", "fewer"])
def test_every_change_gives_another_digest(folder: Path, change: str) -> None:
    before = digest.of_folder(folder)
    match change:
        case "byte":
            (folder / "sub" / "x").write_bytes(b"abd")
        case "name":
            (folder / "sub" / "x").rename(folder / "sub" / "y")
        case "place":
            (folder / "sub" / "x").rename(folder / "hollow" / "x")
        case "more":
            (folder / "more").write_bytes(b"")
        case "fewer":
            (folder / "sub.txt").unlink()
    assert digest.of_folder(folder) != before


def test_what_is_not_content_does_not_count(folder: Path) -> None:
    before = digest.of_folder(folder)
    os.utime(folder / "sub" / "x", (0, 0))
    (folder / "sub" / "x").chmod(0o600)
    (folder / "hollow").rmdir()
    assert digest.of_folder(folder) == before


def test_links_and_devices_are_refused(folder: Path) -> None:
    (folder / "link").symlink_to("sub.txt")
    with pytest.raises(ValueError, match="link: only plain files"):
        digest.of_folder(folder)
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(ValueError, match="pipe: only plain files"):
        digest.of_folder(folder)
    (folder / "pipe").unlink()
    (folder / "dangling").symlink_to("nowhere")
    with pytest.raises(ValueError, match="dangling: only plain files"):
        digest.of_folder(folder)
