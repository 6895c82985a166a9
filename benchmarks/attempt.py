"""One run of one peer in its own environment, kept under the digest of all that it depends on.

A run is repeated when the exchange folder, a script, the lock file, the settings, the seed, the epochs or the number of
threads is another; else what was kept is read again. It counts as finished only after what it gave was checked.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

import digest
from benchmarks import exchange
from benchmarks.exchange import Catalogue, Lists
from dataset.query import Queries

SCRIPTS: Final = Path(__file__).parent / "peers"
ROOT: Final = Path(__file__).parent.parent
CACHE: Final = Path(".cache/peers")
"""Environments, what peers are given, and their runs."""
OWN: Final = "podium"
"""The environment that this process runs in."""
PYTHON: Final = "3.11"
LOG_LINES: Final = 15
"""Of the end of a log, in an error."""

Settings = dict[str, int | float | str | bool | None]


class PeerError(ValueError):
    """A peer's environment could not be made, its run failed, or it gave back what it must not."""


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of peers.yaml."""

    environment: str
    scripts: list[str]
    epochs: int
    every: int
    patience: int
    candidates: list[Settings]

    @property
    def lock(self) -> Path:
        """The file that pins the environment."""
        return ROOT / "uv.lock" if self.environment == OWN else SCRIPTS / f"{self.environment}.txt"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is asked for, beside the data."""

    settings: Settings
    seed: int
    epochs: int
    every: int
    patience: int
    threads: int


def peers() -> dict[str, Peer]:
    """All peers by name."""
    return msgspec.yaml.decode((SCRIPTS / "peers.yaml").read_bytes(), type=dict[str, Peer])


def lists(
    peer: Peer, order: Order, given: Path, queries: Queries, catalogue: Catalogue, *, length: int, cache: Path
) -> Lists:
    """What the peer answers, from `cache` when it was run before.

    Args:
        peer: which one.
        order: with what.
        given: exchange folder; its name is its digest.
        queries: those in the folder.
        catalogue: [num_items] what may be listed.
        length: of the lists.
        cache: folder of this peer's runs, and of the log of one that failed.

    Raises:
        PeerError: it failed; the message names the log.
    """
    kept = cache / key(peer, order, given.name)
    if not kept.exists():
        _run(peer, order, given, kept, (queries, catalogue, length))
    return exchange.read(kept, queries, catalogue, length)


def key(peer: Peer, order: Order, given: str) -> str:
    """Digest of all that a run depends on."""
    sources = [SCRIPTS / name for name in (*peer.scripts, "exam.py")]
    parts = {
        "given": given,
        "scripts": digest.of_list(sources, SCRIPTS),
        "lock": digest.of_file(peer.lock),
        "order": msgspec.to_builtins(order),
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:32]


def environment(peer: Peer, folder: Path) -> Path:
    """The Python of the peer's environment, which is made or brought up to its lock when it is not there yet.

    Args:
        peer: which one.
        folder: of all environments.

    Raises:
        PeerError: uv could not make it.
    """
    if peer.environment == OWN:
        return Path(sys.executable)
    place, lock = folder / peer.environment, digest.of_file(peer.lock)
    mark, python = place / "lock.sha256", place / "bin/python"
    if not mark.exists() or mark.read_text() != lock:
        mark.unlink(missing_ok=True)
        uv = [sys.executable, "-m", "uv"]
        install([*uv, "venv", "--clear", "--python", PYTHON, str(place)])
        install([*uv, "pip", "sync", "--require-hashes", "--python", str(python), str(peer.lock)])
        mark.write_text(lock)
    return python


def install(command: list[str]) -> None:
    """Runs uv.

    Raises:
        PeerError: it failed.
    """
    # uv does not read pip's settings; a folder of wheels that pip is told of holds for both.
    links = os.environ.get("UV_FIND_LINKS", os.environ.get("PIP_FIND_LINKS"))
    places = {} if links is None else {"UV_FIND_LINKS": links}
    done = subprocess.run(command, env=os.environ | places, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise PeerError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")


def _run(peer: Peer, order: Order, given: Path, kept: Path, asked: tuple[Queries, Catalogue, int]) -> None:
    python = environment(peer, ROOT / CACHE)
    kept.parent.mkdir(parents=True, exist_ok=True)
    log = kept.with_suffix(".log")
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        out = Path(scratch) / "out"
        with log.open("w") as file:
            done = subprocess.run(
                _command(peer, order, python, given, out),
                cwd=scratch,  # some libraries leave logs where they are started
                env=os.environ | limits(order.threads),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            raise PeerError(f"exit code {done.returncode}, log in {log}:\n{_end(log)}")
        try:
            exchange.read(out, *asked)
        except exchange.ExchangeError as error:
            raise PeerError(f"{error}\nlog in {log}") from error
        shutil.move(log, out / "log.txt")
        out.rename(kept)


def _command(peer: Peer, order: Order, python: Path, given: Path, out: Path) -> list[str]:
    settings = msgspec.json.encode(order.settings).decode()
    numbers = ("seed", "epochs", "every", "patience")
    options = [part for name in numbers for part in (f"--{name}", str(getattr(order, name)))]
    script = str(SCRIPTS / peer.scripts[0])
    return [str(python), script, str(given.resolve()), str(out.resolve()), "--settings", settings, *options]


def limits(threads: int) -> Mapping[str, str]:
    """Environment variables that hold a peer to so many threads, without a GPU, the same each time."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    quiet = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONHASHSEED": "0"}
    return {**dict.fromkeys(names, str(threads)), **quiet}


def _end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
