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
import params
from tasks.steps import PER_MODEL

CODE: Final = ("dataset", "evaluation", "models", "scoring", "tasks")
PROGRAM: Final = """
import sys
from pathlib import Path
import msgspec, params
from tasks import steps
file, seed, folder = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
loaded = params.load(file)
paths = {name: folder / name for name in ("model", "variants", "blend", "rank", "evaluation")}
settings = msgspec.structs.replace(loaded, seed=seed, paths=msgspec.structs.replace(loaded.paths, **paths))
summary = steps.run(sys.argv[4], settings, *sys.argv[5:])
mark = folder / f"{'-'.join(sys.argv[4:])}.done"
mark.with_suffix(".part").write_bytes(msgspec.json.encode(summary, enc_hook=str))
mark.with_suffix(".part").replace(mark)
"""


def name(*parts: str) -> str:
    """Digest of the code that a run's result depends on, and of whatever else it does, given as digests."""
    sources = [path for folder in CODE for path in sorted(Path(folder).rglob("*.py"))]
    whole = [digest.of_list(sources, Path()), digest.of_file(Path("uv.lock")), *parts]
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
    steps = [
        (stage, *model) for stage in stages for model in ([(name,) for name in models] if stage in PER_MODEL else [()])
    ]
    with tqdm(total=len(seeds) * len(steps), desc=label, unit="step") as progress:
        for seed, folder in zip(seeds, folders, strict=True):
            for step in steps:
                progress.set_postfix_str(f"seed {seed}: {' '.join(step)}")
                run_step(file, folder, seed, step)
                progress.update()


def run_step(file: Path, folder: Path, seed: int, step: tuple[str, ...]) -> None:
    """Runs one stage, of one model where it is of one, unless it has ended before; see `run_stages`.

    A mark, which the step itself leaves, says that it has ended, since one that was killed leaves files as well.
    """
    if not _mark(folder, step).exists():
        subprocess.run([sys.executable, "-c", PROGRAM, str(file), str(seed), str(folder), *step], check=True)


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
