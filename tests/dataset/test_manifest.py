import hashlib
from pathlib import Path

import pytest

from dataset import manifest
from dataset.manifest import ManifestError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.csv").write_bytes(b"one")
    (tmp_path / "b.csv").write_bytes(b"twotwo")
    manifest.write(tmp_path, "files")
    return tmp_path


def test_manifest_names_every_file_with_size_and_sha256(raw: Path) -> None:
    found = manifest.verify(raw)
    assert found.source == "files"
    assert {name: entry.bytes for name, entry in found.files.items()} == {"b.csv": 6, "log/a.csv": 3}
    assert found.files["log/a.csv"].sha256 == hashlib.sha256(b"one").hexdigest()


def test_every_flipped_byte_is_found(raw: Path) -> None:
    for position in range(6):
        data = bytearray(b"twotwo")
        data[position] ^= 1
        (raw / "b.csv").write_bytes(data)
        with pytest.raises(ManifestError, match=r"b\.csv: changed since ingest"):
            manifest.verify(raw)


def test_missing_file_is_named(raw: Path) -> None:
    (raw / "log" / "a.csv").unlink()
    with pytest.raises(ManifestError, match=r"log/a\.csv: in the manifest but missing"):
        manifest.verify(raw)


def test_extra_file_is_named(raw: Path) -> None:
    (raw / "log" / "c.csv").write_bytes(b"")
    with pytest.raises(ManifestError, match=r"log/c\.csv: not in the manifest"):
        manifest.verify(raw)


def test_link_is_refused(raw: Path) -> None:
    (raw / "c.csv").symlink_to(raw / "b.csv")
    with pytest.raises(ValueError, match=r"c\.csv: only plain files"):
        manifest.verify(raw)


@pytest.mark.parametrize("text", ["", "{", '{"source": "files"}', '{"source": 1, "files": {}}'])
def test_broken_manifest_is_named(raw: Path, text: str) -> None:
    (raw / manifest.NAME).write_text(text)
    with pytest.raises(ManifestError, match=r"manifest\.json: not a manifest"):
        manifest.verify(raw)


def test_folder_without_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json: not there"):
        manifest.verify(tmp_path)
