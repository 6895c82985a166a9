"""Exposure logs for tests: 24 hours of answers, deterministic by seed."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

DAY = 86_400.0
Record = dict[str, Any]


def records(count: int, *, seed: int, start: float = 0.0, shift: float = 0.0, fallbacks: float = 0.05) -> list[Record]:
    """`count` answers spread over the day from `start`; `shift` is added to every score, whose top has sd 0.1."""
    rng = np.random.default_rng(seed)
    tops = 0.6 + 0.1 * rng.standard_normal(count) + shift
    steps = rng.uniform(0.01, 0.03, count)
    histories = rng.lognormal(3, 1, count).astype(int)
    ignored = rng.poisson(0.3, count)
    failed = rng.random(count) < fallbacks
    ranks = rng.integers(1, 500, (count, 5))
    return [
        {
            "sequence": row,
            "request_id": f"r{row}",
            "time": start + DAY * row / count,
            "version": "v1",
            "user_id": None if row % 7 == 0 else f"u{row % 90}",
            "history": int(histories[row]),
            "ignored": int(ignored[row]),
            "k": 5,
            "fallback": "model_failed" if failed[row] else None,
            "items": [f"i{item}" for item in range(5)],
            "positions": [1, 2, 3, 4, 5],
            "scores": [float(tops[row] - place * steps[row]) for place in range(5)],
            "latency_ms": 2.5,
            "popularity_rank": [int(rank) for rank in ranks[row]],
        }
        for row in range(count)
    ]


def write(folder: Path, name: str, lines: Iterable[Record]) -> Path:
    """Writes a log file as the endpoint does, and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def changed(lines: list[Record], change: Callable[[Record], Record]) -> list[Record]:
    """Every record with the keys that `change` returns put in place."""
    return [{**line, **change(line)} for line in lines]
