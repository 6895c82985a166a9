"""replay: recorded traffic to a running endpoint, as the users would have sent it.

Each query goes out with the user's id and what the user took since the freeze, newest last, which is what a client that
knows its session sends; what came before the freeze the endpoint knows itself.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from tqdm.asyncio import tqdm

import params
from dataset.query import Longs, Queries
from dataset.world import World

LIST_LENGTH = 10
LONGEST_HISTORY = 100


class ReplayError(ValueError):
    """The endpoint refused a request or could not be reached."""


@dataclass(frozen=True)
class Window:
    """What came of one window of traffic."""

    requests: int
    hits: int
    """Answers that held the item which the user took next."""
    fallbacks: int
    p50_ms: float
    p99_ms: float
    """Latency as the client saw it, at the concurrency of params.yaml."""
    start: float
    end: float
    """When it was sent, seconds since 1970-01-01 UTC."""


def replay(*, features: Path, url: str, half: int, settings: params.Replay) -> Window:
    """Sends the last `settings.queries` queries of one half of the test.

    Args:
        features: the features folder.
        url: where the endpoint is.
        half: 0 for the earlier half of the test, 1 for the later.
        settings: how many, and how many at a time.

    Raises:
        ReplayError: an answer is not 200, or there is none.
    """
    world = World.read(features)
    middle = len(world.test) // 2
    queries = (world.test[:middle], world.test[middle:])[half][-settings.queries :]
    served = np.diff(world.final.known.starts)
    bodies = [_body(world, served, queries, row) for row in range(len(queries))]
    start = time.time()
    answers = asyncio.run(_send(f"{url}/recommend", bodies, settings.concurrency))
    names = [world.items.ids[target] for target in queries.target]
    listed = [{item["item_id"] for item in answer["items"]} for answer, _ in answers]
    latency = np.percentile([milliseconds for _, milliseconds in answers], [50, 99])
    return Window(
        requests=len(answers),
        hits=sum(name in items for name, items in zip(names, listed, strict=True)),
        fallbacks=sum(answer["fallback"] is not None for answer, _ in answers),
        p50_ms=float(latency[0]),
        p99_ms=float(latency[1]),
        start=start,
        end=time.time(),
    )


def _body(world: World, served: Longs, queries: Queries, row: int) -> dict[str, Any]:
    """One request; `served` [num_users] is how much of each timeline the endpoint has."""
    user, end = int(queries.user[row]), int(queries.end[row])
    first = world.timelines.starts[user]
    since = world.timelines.items[first + served[user] : first + end][-LONGEST_HISTORY:]
    return {"user_id": world.users[user], "history": [world.items.ids[item] for item in since], "k": LIST_LENGTH}


async def _send(url: str, bodies: list[dict[str, Any]], concurrency: int) -> list[tuple[dict[str, Any], float]]:
    """Each answer with its latency in milliseconds, in the order of the bodies."""
    gate = asyncio.Semaphore(concurrency)
    async with httpx.AsyncClient(timeout=10) as client:

        async def one(body: dict[str, Any]) -> tuple[dict[str, Any], float]:
            async with gate:
                start = time.perf_counter()
                try:
                    answer = await client.post(url, json=body)
                except httpx.HTTPError as error:
                    raise ReplayError(f"{url}: no answer: {error or type(error).__name__}") from error
            if answer.status_code != httpx.codes.OK:
                raise ReplayError(f"{url}: answered {answer.status_code} to {body}: {answer.text[:200]}")
            return answer.json(), (time.perf_counter() - start) * 1000

        return list(await tqdm.gather(*map(one, bodies), desc="replay", unit="request", leave=False))
