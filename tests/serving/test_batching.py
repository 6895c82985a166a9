import asyncio
from collections.abc import Sequence

import pytest

from serving.batching import Batcher


class Doubling:
    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, asked: Sequence[int]) -> list[int]:
        self.batches.append(list(asked))
        if 13 in asked:
            raise RuntimeError("thirteen")
        return [2 * value for value in asked]


async def _together(batcher: Batcher[int, int], values: Sequence[int]) -> list[int | BaseException]:
    return await asyncio.gather(*(batcher.answer(value) for value in values), return_exceptions=True)


@pytest.mark.parametrize(
    ("largest", "batches"),
    [(1, [[1], [2], [3], [4], [5]]), (2, [[1, 2], [3, 4], [5]]), (16, [[1, 2, 3, 4, 5]])],
)
def test_what_arrives_together_is_answered_together(largest: int, batches: list[list[int]]) -> None:
    doubling = Doubling()
    assert asyncio.run(_together(Batcher(doubling, largest=largest), [1, 2, 3, 4, 5])) == [2, 4, 6, 8, 10]
    assert doubling.batches == batches


def test_what_arrives_later_is_another_batch() -> None:
    doubling = Doubling()

    async def twice() -> None:
        batcher = Batcher(doubling, largest=16)
        await _together(batcher, [1, 2])
        await _together(batcher, [3])

    asyncio.run(twice())
    assert doubling.batches == [[1, 2], [3]]


def test_a_failure_reaches_all_of_its_batch_and_no_other() -> None:
    found = asyncio.run(_together(Batcher(Doubling(), largest=2), [1, 13, 3, 4]))
    assert [str(error) for error in found[:2]] == ["thirteen", "thirteen"]
    assert found[2:] == [6, 8]


def test_who_gave_up_is_not_asked_for() -> None:
    doubling = Doubling()

    async def cancelled() -> int:
        batcher = Batcher(doubling, largest=16)
        waiting = [asyncio.ensure_future(batcher.answer(value)) for value in (1, 2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        return await waiting[1]

    assert asyncio.run(cancelled()) == 4
    assert doubling.batches == [[2]]


def test_a_batch_holds_something() -> None:
    with pytest.raises(ValueError, match=r"largest must be at least 1\. Received: 0"):
        Batcher(Doubling(), largest=0)
