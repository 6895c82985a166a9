"""A small project of its own: this repository's code, a generated shop log, settings that train in seconds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.shop import shop, write
from tests.small import MODELS, ROOT, small

FOLDERS = (
    *("dataset", "evaluation", "flows", "models", "monitoring"),
    *("promotion", "scoring", "serving", "tasks", "tuning"),
)
FILES = (
    "*.py",
    "dvc.yaml",
    "prefect.yaml",
    "prefect.toml",
    "bentofile.yaml",
    ".gitignore",
    ".dvcignore",
    ".dvc/config",
)
SMALLER: dict[str, dict[str, Any]] = {
    "compress": {
        "contestants": {"untrained": ["float32", "tied-8"], "control": ["float32"], "pruned": ["tied-8"]},
    },
    "replay": {"queries": 60},
    "monitor": {"min_rows": 20},
}
STAGES = [
    *("ingest", "prepare", "split", "featurize"),
    *(f"{stage}@{model}" for stage in ("train", "compress", "index") for model in MODELS),
    *("blend", "rank", "evaluate"),
]
SEED = 21
EVERY_STAGE = """
from flows import reproduce
with reproduce.exclusive():
    for stage in reproduce.stages():
        reproduce.reproduce(stage)
"""
"""The reproducible half of the training flow, without Prefect."""


def make(folder: Path) -> Path:
    """Writes the project and commits it; nothing has run."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for pattern in FILES:
        for path in ROOT.glob(pattern):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    write(folder / "data" / "inbox", shop(seed=SEED, customers=200, products=120, orders=6000), suffix=".csv")
    (folder / "params.yaml").write_text(yaml.safe_dump(small(SMALLER), sort_keys=False))
    (folder / "dvc.lock").unlink(missing_ok=True)
    commit(folder, "small project")
    return folder


def copy(project: Path, folder: Path) -> Path:
    """The project as it stands, DVC's cache included, to be changed."""
    return Path(shutil.copytree(project, folder, symlinks=True))


def change(project: Path, section: str, **values: Any) -> None:
    """Changes values of params.yaml."""
    path = project / "params.yaml"
    whole = yaml.safe_load(path.read_text())
    assert set(values) <= set(whole[section])
    whole[section] |= values
    path.write_text(yaml.safe_dump(whole, sort_keys=False))


def commit(project: Path, message: str) -> None:
    """Commits everything that .gitignore lets through."""
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", message]):
        subprocess.run(["git", *arguments], cwd=project, env=environment(project), check=True)


def git(project: Path, *arguments: str) -> str:
    """Runs git in the project and gives what it printed."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=project, env=environment(project), capture_output=True, text=True, check=True)
    return done.stdout


def environment(project: Path, **more: str) -> dict[str, str]:
    """Of every process in the project: its own homes, no settings of the machine, no network."""
    home = project.parent / f"{project.name}.home"
    (home / "prefect").mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PODIUM_", "GIT_"))}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "podium@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **more,
    }


def start(project: Path, *arguments: str, **more: str) -> "subprocess.Popen[str]":
    """Starts `python <arguments>` in the project; its output, errors among it, comes by a pipe."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=project,
        env=environment(project, **more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(project: Path, *arguments: str, fails: bool = False, **more: str) -> str:
    """Runs `python <arguments>` in the project to its end and gives what it printed."""
    with start(project, *arguments, **more) as process:
        said = process.communicate()[0]
    assert bool(process.returncode) == fails, said
    return said


def dvc(project: Path, *arguments: str) -> str:
    """Runs DVC in the project."""
    return run(project, "-m", "dvc", *arguments)
