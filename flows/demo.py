"""`make demo`: the whole loop on the project's settings, from raw data to a drift verdict, and a screen at the end."""

import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")  # before Prefect is imported; the loop prints its own progress

import httpx
from rich.console import Console

import params
from dataset.world import World
from flows import endpoint, screen
from flows.monitoring import monitoring
from flows.training import training
from tasks.replay import Window, replay


def main() -> int:
    """Runs the loop; 0 when it came to its end, whatever the gate decided."""
    console, shown = Console(stderr=True), Console()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    started = time.monotonic()
    console.rule("1/4  Train, compress, evaluate, decide, package (a Prefect flow over the DVC stages)")
    trained = training()
    settings = params.load()
    if trained.bento is None:
        screen.decided(shown, settings, trained.decision)
        screen.nothing_served(shown)
        return 0
    console.rule("2/4  Serve the champion and ask it")
    with endpoint.serving(settings, trained.bento) as url:
        asked = ask(url, settings)
        screen.answers(console, asked)
        console.rule("3/4  Replay later traffic")
        windows = [
            replay(features=settings.paths.features, url=url, half=half, settings=settings.replay) for half in (0, 1)
        ]
    console.rule("4/4  Watch for drift (a Prefect flow over Evidently)")
    verdict = monitoring(*_bounds(windows))
    screen.decided(shown, settings, trained.decision)
    screen.watched(shown, settings, windows, verdict)
    shown.print(f"[dim]The loop took {time.monotonic() - started:.0f} s.[/dim]")
    return 0


def ask(url: str, settings: params.Params) -> dict[str, Any]:
    """Three kinds of user: known, new with a history, and unknown altogether.

    Raises:
        httpx.HTTPStatusError: the endpoint refused one.
    """
    world = World.read(settings.paths.features)
    liked = [world.items.ids[item] for item in world.timelines.items[:3]]
    bodies = {
        f"known user {world.users[0]}": {"user_id": world.users[0], "k": 5},
        "new user who liked " + ", ".join(liked): {"history": liked, "k": 5},
        "somebody of whom nothing is known": {"k": 5},
    }
    answers = {}
    for who, body in bodies.items():
        answer = httpx.post(f"{url}/recommend", json=body, timeout=10).raise_for_status()
        answers[who] = {**answer.json(), "milliseconds": answer.elapsed.total_seconds() * 1000}
    return answers


def _bounds(windows: list[Window]) -> tuple[datetime, datetime, datetime]:
    """End of the current window, its start, and the start of the reference window."""
    moments = (windows[1].end, windows[1].start, windows[0].start)
    end, middle, start = (datetime.fromtimestamp(moment, UTC) for moment in moments)
    return end, middle, start


if __name__ == "__main__":
    sys.exit(main())
