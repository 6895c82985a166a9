"""`python -m flows.ui` as a person runs it: its worker takes runs, and it ends when what it started has ended."""

import os
import re
import signal
from pathlib import Path

from tests.flows import project


def _started(pid: int, what: str) -> int:
    """The one process that `pid` started with this word in its command."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (found,) = [int(child) for child in children if what in Path(f"/proc/{child}/cmdline").read_text().split("\0")]
    return found


def test_it_runs_deployments_and_ends_when_its_worker_does(tmp_path: Path) -> None:
    small = project.make(tmp_path / "small")
    with project.start(small, "-m", "flows.ui", PYTHONUNBUFFERED="1") as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        url = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines))
        assert url, "".join(lines)
        deployed = ["-m", "prefect", "deployment", "run", "monitoring/hourly", "--watch"]
        project.run(small, *deployed, PREFECT_API_URL=f"{url[0]}/api")
        assert (small / "artifacts/reports/drift.json").exists()
        os.kill(_started(running.pid, "worker"), signal.SIGKILL)
        said = running.communicate()[0]
    assert running.returncode == 1
    assert "the server ended with -9; .cache/ui/worker.log ends with:" in said
    assert "Traceback" not in said
