"""Stages run for a seed, each in a process of its own, and kept: what was interrupted goes on where it was."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from tqdm import tqdm

import digest
import durable
import params
from tasks import steps
from tasks.steps import PER_MODEL

ROOT: Final = Path(__file__).parents[1]
CODE: Final = ("dataset", "evaluation", "models", "scoring", "tasks")
LOWEST: Final = ("digest.py", "durable.py", "highest.py", "params.py", "uv.lock")
PLACES: Final = ("model", "variants", "blend", "rank", "evaluation")
"""What a run keeps apart from others."""


def main(arguments: list[str]) -> int:
    """Runs one step in this process, and leaves its mark; see `run_step`, which starts it."""
    file, seed, folder, step = Path(arguments[0]), int(arguments[1]), Path(arguments[2]), tuple(arguments[3:])
    loaded = params.load(file)
    paths = msgspec.structs.replace(loaded.paths, **{name: folder / name for name in PLACES})
    said = steps.run(step[0], msgspec.structs.replace(loaded, seed=seed, paths=paths), *step[1:])
    durable.write_bytes(_mark(folder, step), msgspec.json.encode(said, enc_hook=str))
    return 0


def name(*parts: str) -> str:
    """Digest of the code that a run's result depends on, and of whatever else it does, given as digests."""
    sources = [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]
    whole = [digest.of_list([*sources, *(ROOT / file for file in LOWEST)], ROOT), *parts]
    return hashlib.sha256("".join(whole).encode()).hexdigest()[:16]


def run_stages(file: Path, folders: Sequence[Path], seeds: Sequence[int], stages: Sequence[str], *, label: str) -> None:
    """Runs the stages for each seed, unless they have ended before.

    Args:
        file: the parameters.
        folders: where each seed's run is kept; to be named by what it depends on.
        seeds: as many.
        stages: in this order; those of a single model for each of the parameters' models.
        label: what the progress bar says.

    Raises:
        subprocess.CalledProcessError: a stage failed; it has said why.
    """
    models = params.load(file).models
    each = [
        (stage, *model) for stage in stages for model in ([(name,) for name in models] if stage in PER_MODEL else [()])
    ]
    with tqdm(total=len(seeds) * len(each), desc=label, unit="step") as progress:
        for seed, folder in zip(seeds, folders, strict=True):
            for step in each:
                progress.set_postfix_str(f"seed {seed}: {' '.join(step)}")
                run_step(file, folder, seed, step)
                progress.update()


def run_step(file: Path, folder: Path, seed: int, step: tuple[str, ...]) -> None:
    """Runs one stage, of one model where it is of one, unless it has ended before; see `run_stages`.

    A mark, which the step itself leaves, says that it has ended, since one that was killed leaves files as well.
    """
    if not _mark(folder, step).exists():
        command = [sys.executable, "-m", "benchmarks.runs", str(file), str(seed), str(folder), *step]
        subprocess.run(command, check=True)


def summary(folder: Path, *step: str) -> dict[str, Any]:
    """What a step of a run that has ended said."""
    found: dict[str, Any] = msgspec.json.decode(_mark(folder, step).read_bytes())
    return found


def peak_bytes() -> int:
    """Most resident memory of this program so far; rusage would count what the process that started it had."""
    return _status("VmHWM")


def resident_bytes(process: int | str = "self") -> int:
    """Resident memory of a process now, by its id; of this program without one."""
    return _status("VmRSS", process)


def _status(name: str, process: int | str = "self") -> int:
    return int(Path(f"/proc/{process}/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024


def _mark(folder: Path, step: tuple[str, ...]) -> Path:
    return folder / f"{'-'.join(step)}.done"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
