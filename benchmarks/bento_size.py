"""What has to be carried to where Podium is served: `python -m benchmarks.bento_size`.

Size on disk of the newest bento (`make demo` builds one) with its model, and of a fresh environment that holds the
packages of bentofile.yaml and nothing else; it is made in a temporary folder and removed. Puts rows into
docs/results/serving.csv.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import bentoml
import yaml
from bentoml.exceptions import NotFound

from benchmarks import serving_table
from benchmarks.attempt import PYTHON, install
from benchmarks.results import Result, merge
from benchmarks.serving import FILE

COMMAND: Final = "python -m benchmarks.bento_size"
BENTO: Final = "podium:latest"
BENTOFILE: Final = Path("bentofile.yaml")
BLOCK: Final = 512


def main() -> int:
    """Measures both; 2 when there is no bento."""
    try:
        bento = bentoml.get(BENTO)
    except NotFound:
        sys.stderr.write(f"{BENTO}: there is no bento yet. Make one: make demo\n")
        return 2
    packages: list[str] = yaml.safe_load(BENTOFILE.read_text())["python"]["packages"]
    # A bento of the store names its models; they lie beside it until it is exported or containerized.
    folders = [bento.path, *(bentoml.models.get(model.tag).path for model in bento.info.all_models)]
    carried = sum(disk_bytes(Path(folder)) for folder in folders)
    found = list(results(carried, environment_bytes(packages)))
    merge(FILE, found)
    serving_table.show(FILE)
    for one in found:
        sys.stdout.write(f"{one.metric:24} {one.value / 1e6:8.1f} MB\n")
    return 0


def results(bento: int, environment: int) -> Iterator[Result]:
    """Both as rows."""
    for protocol, metric, size in (
        ("newest bento", "bento and model on disk", bento),
        ("serving dependencies", "environment on disk", environment),
    ):
        value = float(size)
        yield Result("serving size", "-", protocol, "podium/bento", metric, value, value, value, "bytes", COMMAND)


def environment_bytes(packages: Sequence[str]) -> int:
    """Disk that a fresh environment with so many packages takes."""
    uv = [sys.executable, "-m", "uv"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "environment"
        install([*uv, "venv", "--python", PYTHON, str(place)])
        # Links into uv's cache are not counted twice by anybody; copies are what a container holds.
        install([*uv, "pip", "install", "--link-mode", "copy", "--python", str(place / "bin/python"), *packages])
        return disk_bytes(place)


def disk_bytes(folder: Path) -> int:
    """What `du` says: whole blocks, symbolic links not followed."""
    return sum(
        os.lstat(Path(parent) / name).st_blocks * BLOCK
        for parent, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )


if __name__ == "__main__":
    sys.exit(main())
