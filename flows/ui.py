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
from rich.text import Text

from flows import processes

PORT = 4200
POOL = "podium"
LOGS = Path(".cache/ui")


def main() -> int:
    """0 after Ctrl-C; 1 when the server or the worker did not come up or ended by itself, with the reason on stderr."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        run(Console(), processes.port(PORT), stopped)
    except (processes.StartError, processes.EndedError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(Text(str(error)))
        return 1
    return 0


def run(console: Console, port: int, stopped: threading.Event) -> None:
    """Starts everything, registers the deployments, waits.

    Raises:
        processes.StartError: the server did not come up, or a deployment could not be registered.
        processes.EndedError: the server or the worker ended by itself.
    """
    url = f"http://127.0.0.1:{port}"
    api = {"PREFECT_API_URL": f"{url}/api"}
    server_log, worker_log = LOGS / "server.log", LOGS / "worker.log"
    console.print("Starting the Prefect server (about 10 seconds) ...")
    arguments = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    ready = f"{url}/api/health"
    with processes.running(arguments, log=server_log, ready=ready, environment=api | page(port)) as server:
        register(api)
        arguments = ["prefect", "worker", "start", "--pool", POOL, "--type", "process"]
        with processes.running(arguments, log=worker_log, environment=api) as worker:
            console.print(f"[bold]{url}/deployments[/bold]  has training (nightly), monitoring (hourly), tuning")
            console.print(f"Run one now:  PREFECT_API_URL={url}/api prefect deployment run training/nightly")
            console.print(f"Logs are in {LOGS}/. Ctrl-C ends the server and the worker.")
            while not stopped.wait(1):
                processes.check(server, server_log)
                processes.check(worker, worker_log)
            console.print("Stopping ...")


def page(port: int) -> dict[str, str]:
    """What the server has to know of the page that it serves, as environment variables.

    The page talks to the server by the address it was told, so that has to be the one it is really on; opened as
    localhost it is of another origin, which has to be allowed. prefect.toml keeps all others out.
    """
    return {
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
    }


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
