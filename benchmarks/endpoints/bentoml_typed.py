"""A peer: BentoML's typed API at its defaults, which has nothing to do but to return what it was told to return.

PODIUM_BENCHMARK_ANSWER=answer.json bentoml serve benchmarks.endpoints.bentoml_typed:Constant
"""

import json
import os
from pathlib import Path
from typing import Any

import bentoml


@bentoml.service
class Constant:
    """Returns one answer."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] = json.loads(Path(os.environ["PODIUM_BENCHMARK_ANSWER"]).read_bytes())

    # What is asked is checked and converted, as in any service; a coroutine, because BentoML runs others in a thread.
    @bentoml.api  # type: ignore[untyped-decorator]
    async def recommend(
        self,
        user_id: str | None = None,  # noqa: ARG002
        history: list[str] | None = None,  # noqa: ARG002
        k: int = 10,  # noqa: ARG002
    ) -> dict:  # type: ignore[type-arg]
        """The answer, whoever asks."""
        return self._answer
