import stat
import zipfile
from pathlib import Path

import pytest

from dataset.sources import movielens_zip
from dataset.sources.tables import SourceError, Tables

RATINGS = "1::1193::5::978300760\n1::661::3::978302109\n2::1193::4.5::978298413\n"
FILMS = (
    "1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
    "661::Les Misérables (1995)::Drama|Musical\n"
    '7::"Quotes" and (Parentheses) (2000)::Comedy\n'
    "8::No year at all::Comedy\n"
)
USERS = "1::F::1::10::48067\n2::M::56::16::70072\n"


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def one_million(encoding: str = "latin-1") -> dict[str, bytes]:
    """The members of a zip laid out as ml-1m is."""
    return {
        "ml-1m/": b"",
        "ml-1m/README": b"licence",
        "ml-1m/ratings.dat": RATINGS.encode(),
        "ml-1m/movies.dat": FILMS.encode(encoding),
        "ml-1m/users.dat": USERS.encode(),
    }


def latest() -> dict[str, bytes]:
    """The members of a zip laid out as ml-latest-small is, which has line ends of Windows."""
    films = 'movieId,title,genres\r\n1,"American President, The (1995)",Comedy|Drama\r\n2,Short,(no genres listed)\r\n'
    return {
        "ml-latest-small/ratings.csv": b"userId,movieId,rating,timestamp\r\n1,1,4.0,964982703\r\n7,2,0.5,964981247\r\n",
        "ml-latest-small/movies.csv": films.encode(),
        "ml-latest-small/tags.csv": b"userId,movieId,tag,timestamp\r\n",
        "ml-latest-small/links.csv": b"movieId,imdbId\r\n",
    }


def load(folder: Path, members: dict[str, bytes]) -> Tables:
    raw = folder / "raw"
    raw.mkdir()
    movielens_zip.fetch(raw, str(archive(folder / "ml.zip", members)))
    return movielens_zip.read(raw)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_one_million_layout(tmp_path: Path, encoding: str) -> None:
    found = load(tmp_path, one_million(encoding))
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["movies.dat", "ratings.dat", "users.dat"]
    assert found.category_separator == "|"
    assert found.interactions.columns.to_pydict() == {
        "user_id": ["1", "1", "2"],
        "item_id": ["1193", "661", "1193"],
        "weight": ["5", "3", "4.5"],
        "timestamp": ["978300760", "978302109", "978298413"],
    }
    assert found.interactions.row.tolist() == [1, 2, 3]
    assert found.items is not None
    assert found.items.columns.to_pydict() == {
        "item_id": ["1193", "661", "7", "8"],
        "title": ["One Flew Over the Cuckoo's Nest", "Les Misérables", '"Quotes" and (Parentheses)', "No year at all"],
        "year": ["1975", "1995", "2000", None],
        "categories": ["Drama", "Drama|Musical", "Comedy", "Comedy"],
    }
    assert found.users is not None
    assert found.users.columns["zip_code"].to_pylist() == ["48067", "70072"]
    assert all(table.defects.empty for table in (found.interactions, found.items, found.users))


def test_the_files_of_a_zip_are_unpacked_byte_for_byte(tmp_path: Path) -> None:
    load(tmp_path, one_million())
    assert (tmp_path / "raw" / "movies.dat").read_bytes() == FILMS.encode("latin-1")


def test_ten_million_layout_has_no_users(tmp_path: Path) -> None:
    members = one_million("utf-8")
    del members["ml-1m/users.dat"]
    assert load(tmp_path, members).users is None


def test_latest_layout(tmp_path: Path) -> None:
    found = load(tmp_path, latest())
    assert found.users is None
    assert found.interactions.columns.to_pydict() == {
        "user_id": ["1", "7"],
        "item_id": ["1", "2"],
        "weight": ["4.0", "0.5"],
        "timestamp": ["964982703", "964981247"],
    }
    assert found.interactions.row.tolist() == [2, 3]
    assert found.items is not None
    assert found.items.columns.to_pydict() == {
        "item_id": ["1", "2"],
        "title": ["American President, The", "Short"],
        "year": ["1995", None],
        "categories": ["Comedy|Drama", ""],
    }


def test_a_record_with_a_surplus_field_is_a_defect(tmp_path: Path) -> None:
    members = one_million()
    members["ml-1m/ratings.dat"] = RATINGS.replace("661::3", "661::3::x").encode()
    defects = load(tmp_path, members).interactions.defects
    assert defects[["file", "row", "rule"]].to_numpy().tolist() == [["ratings.dat", 2, "column_count"]]


def test_an_unknown_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds ratings\.dat and movies\.dat, or .* Received: \['ratings\.dat'\]"):
        load(tmp_path, {"x/ratings.dat": b"", "x/movies.csv.txt": b""})


def test_both_layouts_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a MovieLens zip holds"):
        load(tmp_path, one_million() | latest())


@pytest.mark.parametrize("name", ["../ratings.dat", "/ratings.dat", "a/../../ratings.dat", "a/b/ratings.dat"])
def test_unsafe_paths_are_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    members = one_million()
    members[name] = members.pop("ml-1m/ratings.dat")
    with pytest.raises(SourceError, match="unsafe path in the zip"):
        load(tmp_path, members)
    assert list((tmp_path / "raw").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ml.zip", "raw"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("ml-1m/ratings.dat")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
        file.writestr("ml-1m/movies.dat", FILMS)
    with pytest.raises(SourceError, match="is a link; a zip of tables has none"):
        movielens_zip.fetch(tmp_path, str(tmp_path / "ml.zip"))


def test_a_file_that_is_in_the_zip_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"ratings\.dat is in the zip twice: ml-1m/ratings\.dat, other/ratings\.dat"):
        load(tmp_path, one_million() | {"other/ratings.dat": b""})


def test_a_size_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens_zip, "BYTES_LIMIT", len(RATINGS) - 1)
    with pytest.raises(SourceError, match=r"'ml-1m/ratings\.dat' has \d+ bytes, over"):
        load(tmp_path, one_million())


def test_a_size_that_is_a_lie_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "ml.zip", one_million())
    data = path.read_bytes()
    real, stated = len(RATINGS).to_bytes(4, "little"), (len(RATINGS) - 1).to_bytes(4, "little")
    assert data.count(real) == 2
    path.write_bytes(data.replace(real, stated))
    with pytest.raises(SourceError, match=r"unpacks to more than|the zip is damaged"):
        movielens_zip.fetch(tmp_path, str(path))


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_a_zip_with_one_flipped_bit_is_refused_or_gives_the_same_files(tmp_path: Path, flip: int) -> None:
    members = one_million()
    whole = archive(tmp_path / "ml.zip", members).read_bytes()
    expected = {Path(name).name: data for name, data in members.items() if name.endswith(".dat")}
    refused = 0
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= flip
        (tmp_path / "ml.zip").write_bytes(data)
        raw = tmp_path / f"raw-{place}"
        raw.mkdir()
        try:
            movielens_zip.fetch(raw, str(tmp_path / "ml.zip"))
        except SourceError:
            refused += 1
            continue
        # A bit in a name or in what nobody reads: users.dat may stay away, but no file may have other bytes.
        found = {path.name: path.read_bytes() for path in raw.iterdir()}
        assert found.keys() >= expected.keys() - {"users.dat"}
        assert found.items() <= expected.items(), place
    assert refused > len(whole) // 3


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "ml.zip", one_million())
    data = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(header)
        while place >= 0:
            data[place + flags] |= 1
            place = data.find(header, place + 4)
    path.write_bytes(data)
    with pytest.raises(SourceError, match="encrypted"):
        movielens_zip.fetch(tmp_path, str(path))


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ml.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(SourceError, match="the zip is damaged"):
        movielens_zip.fetch(tmp_path, str(tmp_path / "ml.zip"))


def test_a_location_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"ml\.zip: ingest\.location names no file"):
        movielens_zip.fetch(tmp_path, str(tmp_path / "ml.zip"))
    with pytest.raises(SourceError, match=r"ingest\.location must be the URL or the path"):
        movielens_zip.fetch(tmp_path, "")
