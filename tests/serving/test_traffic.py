import asyncio
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from serving.traffic import Traffic


@dataclass
class Ended:
    status: int


def total(registry: CollectorRegistry, status: int) -> float | None:
    labels = {"endpoint": "/recommend", "service_name": "podium", "service_version": "v1", "runner_name": "podium"}
    found = registry.get_sample_value("bentoml_service_request_total", labels | {"http_response_code": str(status)})
    lasted = "bentoml_service_request_duration_seconds_count"
    assert found == registry.get_sample_value(lasted, labels | {"http_response_code": str(status)})
    return found


async def ends(status: int) -> Ended:
    return Ended(status)


async def fails() -> Ended:
    raise RuntimeError("of ours")


async def waits() -> Ended:
    await asyncio.sleep(60)
    return Ended(200)


def test_replies_are_counted_by_how_they_ended(traffic: Traffic, registry: CollectorRegistry) -> None:
    assert (total(registry, 200), total(registry, 500), total(registry, 422)) == (0, 0, None)

    async def some() -> None:
        for status in (200, 422, 200):
            assert (await traffic.counted(ends(status))).status == status
        with pytest.raises(RuntimeError, match="of ours"):
            await traffic.counted(fails())
        assert traffic.refused(Ended(429)) == Ended(429)
        traffic.tell()

    asyncio.run(some())
    assert [total(registry, status) for status in (200, 422, 500, 429)] == [2, 1, 1, 1]


def test_what_is_called_off_took_too_long(traffic: Traffic, registry: CollectorRegistry) -> None:
    async def called_off() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(traffic.counted(waits()), 0.01)
        traffic.tell()

    asyncio.run(called_off())
    assert (total(registry, 504), total(registry, 500), traffic.full) == (1, 0, False)


def test_there_are_never_more_at_a_time_than_the_limit(traffic: Traffic, registry: CollectorRegistry) -> None:
    def in_progress() -> float | None:
        traffic.tell()
        labels = {"endpoint": "/recommend", "service_name": "podium", "service_version": "v1", "runner_name": "podium"}
        return registry.get_sample_value("bentoml_service_request_in_progress", labels)

    async def two() -> None:
        running = [asyncio.ensure_future(traffic.counted(waits())) for _ in range(2)]
        await asyncio.sleep(0)
        assert (traffic.full, in_progress()) == (True, 2)
        running[0].cancel()
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        assert (traffic.full, in_progress()) == (False, 1)
        running[1].cancel()
        await asyncio.wait(running)
        assert in_progress() == 0

    asyncio.run(two())


def test_the_series_soon_know_by_themselves(traffic: Traffic, registry: CollectorRegistry) -> None:
    async def one_and_another() -> None:
        for count in (1, 2):
            await traffic.counted(ends(200))
            async with asyncio.timeout(30):
                while total(registry, 200) != count:
                    await asyncio.sleep(0.01)

    asyncio.run(one_and_another())


def test_the_text_has_the_series(traffic: Traffic) -> None:
    async def one() -> None:
        await traffic.counted(ends(200))
        traffic.tell()

    asyncio.run(one())
    body, kind = traffic.exposition()
    assert kind.startswith("text/plain")
    assert any(
        line.startswith("bentoml_service_request_total{") and line.endswith(" 1.0")
        for line in body.decode().splitlines()
    )
    assert b"bentoml_service_last_request_timestamp_seconds{" in body
