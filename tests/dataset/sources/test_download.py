import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dataset.sources import download as module
from dataset.sources import movielens_zip
from dataset.sources.download import cache_folder, download
from dataset.sources.tables import SourceError

BODY = bytes(range(256)) * 4096
"""1 MB."""


class Server(ThreadingHTTPServer):
    """Answers by path, and counts what it was asked."""

    asked: list[str]
    files: dict[str, bytes]


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path = self.path.split("?")[0]
        if path not in self.server.files:
            self.send_error(404)
            return
        body = self.server.files[path]
        self.send_response(301 if path == "/moved.zip" else 200)
        if path == "/moved.zip":
            self.send_header("Location", "/a.zip")
        if path != "/unstated.zip":
            self.send_header("Content-Length", str(len(body) * 2 if path == "/short.zip" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Server(("127.0.0.1", 0), Answer) as running:
        running.asked = []
        running.files = {f"/{name}.zip": BODY for name in ("a", "b", "short", "unstated", "moved")}
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def left_over() -> list[str]:
    return sorted(path.name for path in cache_folder().iterdir()) if cache_folder().exists() else []


@pytest.mark.parametrize("path", ["/a.zip", "/unstated.zip"])
def test_a_file_is_fetched_whole_and_only_once(server: Server, path: str) -> None:
    first = download(url(server, path))
    assert first.read_bytes() == BODY
    assert first.name.endswith(path.replace("/", "-"))
    assert first.parent == cache_folder()
    assert download(url(server, path)) == first
    assert server.asked == [path]
    assert left_over() == [first.name]


def test_the_cache_serves_without_a_server(server: Server) -> None:
    location = url(server, "/a.zip")
    kept = download(location)
    server.files.clear()
    assert download(location) == kept
    kept.unlink()
    with pytest.raises(SourceError, match="404"):
        download(location)


def test_two_urls_are_two_files(server: Server) -> None:
    names = {download(url(server, path)).name for path in ("/a.zip", "/b.zip", "/a.zip?edition=2")}
    assert len(names) == 3
    assert server.asked == ["/a.zip", "/b.zip", "/a.zip?edition=2"]


def test_a_connection_that_breaks_off_leaves_nothing(server: Server) -> None:
    with pytest.raises(SourceError, match=r"short\.zip: cannot be downloaded"):
        download(url(server, "/short.zip"))
    assert left_over() == []


@pytest.mark.parametrize(("path", "status"), [("/nothing.zip", 404), ("/moved.zip", 301)])
def test_any_other_answer_than_ok_is_named(server: Server, path: str, status: int) -> None:
    with pytest.raises(SourceError, match=f"the server answers {status}"):
        download(url(server, path))
    assert left_over() == []


def test_more_than_the_limit_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_LIMIT", len(BODY) - 1)
    with pytest.raises(SourceError, match="sends more than"):
        download(url(server, "/a.zip"))
    assert left_over() == []


def test_a_server_that_is_not_there_is_named(server: Server) -> None:
    server.server_close()
    with pytest.raises(SourceError, match=r"a\.zip: cannot be downloaded: "):
        download(url(server, "/a.zip"))
    assert left_over() == []


@pytest.mark.parametrize(
    "location",
    ["http://example.org/ml.zip", "ftp://127.0.0.1/ml.zip", "file:///etc/passwd", "http://127.0.0.1.nip.io/a"],
)
def test_only_https_or_loopback_is_asked(location: str) -> None:
    with pytest.raises(SourceError, match=r"ingest\.location must be an https URL or a local path\. Received: "):
        download(location)


def test_a_zip_is_fetched_by_its_url(server: Server, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        archive.writestr("x/ratings.dat", "1::2::5::978300760\n")
        archive.writestr("x/movies.dat", "2::Title (1999)::Drama\n")
    server.files["/ml.zip"] = (tmp_path / "ml.zip").read_bytes()
    raw = tmp_path / "raw"
    raw.mkdir()
    movielens_zip.fetch(raw, url(server, "/ml.zip"))
    assert movielens_zip.read(raw).interactions.columns["item_id"].to_pylist() == ["2"]


def test_the_cache_stands_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "podium"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/podium")
