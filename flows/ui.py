"""`make ui`: a Prefect server, the deployments of prefect.yaml and a worker that runs them, all on 127.0.0.1.

Runs until Ctrl-C; ends what it started and nothing else.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from rich.console import Console

from flows import processes

PORT = 4200
POOL = "podium"
LOGS = Path(".cache/ui")


def main() -> int:
    """Starts everything, registers the deployments, waits."""
    console = Console()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    port = processes.port(PORT)
    url = f"http://127.0.0.1:{port}"
    api = {"PREFECT_API_URL": f"{url}/api"}
    console.print("Starting the Prefect server (about 10 seconds) ...")
    server = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    # The page talks to the server by the address it was told, so that has to be the one it is really on.
    ui = {"PREFECT_UI_API_URL": f"{url}/api", **api}
    with processes.running(server, log=LOGS / "server.log", ready=f"{url}/api/health", environment=ui):
        register(api)
        worker = ["prefect", "worker", "start", "--pool", POOL, "--type", "process"]
        with processes.running(worker, log=LOGS / "worker.log", environment=api):
            console.print(f"[bold]{url}/deployments[/bold]  has training (nightly), monitoring (hourly), tuning")
            console.print(f"Run one now:  PREFECT_API_URL={url}/api prefect deployment run training/nightly")
            console.print(f"Logs are in {LOGS}/. Ctrl-C ends the server and the worker.")
            stopped.wait()
            console.print("Stopping ...")
    return 0


def register(api: dict[str, str]) -> None:
    """Makes the work pool and registers the deployments of prefect.yaml.

    Raises:
        processes.StartError: a command failed; the message is what it printed.
    """
    for command in (
        ["work-pool", "create", POOL, "--type", "process", "--overwrite"],
        ["--no-prompt", "deploy", "--all"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *command],
            env=os.environ | api,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise processes.StartError(f"prefect {' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
