from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flows import project


@dataclass(frozen=True)
class Done:
    """The small project after its first run, once with flows.reproduce and once with `dvc repro`; read only."""

    flow: Path
    plain: Path


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Both runs side by side, one on each core."""
    folder = tmp_path_factory.mktemp("projects")
    both = Done(project.make(folder / "flow"), project.make(folder / "plain"))
    with (
        project.start(both.flow, "-c", project.EVERY_STAGE) as flow,
        project.start(both.plain, "-m", "dvc", "repro") as plain,
    ):
        said = [process.communicate()[0] for process in (flow, plain)]
    assert (flow.returncode, plain.returncode) == (0, 0), "\n".join(said)
    return both
