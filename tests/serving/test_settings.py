from pathlib import Path

import pytest

import params
from serving import settings
from serving.settings import Settings, SettingsError


def test_defaults_are_those_of_the_parameters() -> None:
    project = params.load(Path(__file__).parents[2] / "params.yaml")
    assert settings.read({}) == Settings(
        servable=None,
        exposures=project.paths.exposures,
        max_body_bytes=project.serve.max_body_bytes,
        max_concurrency=project.serve.max_concurrency,
        timeout_seconds=project.serve.timeout_seconds,
        workers=project.serve.workers,
        largest_batch=project.serve.largest_batch,
        cache_entries=project.serve.cache_entries,
        cache_seconds=project.serve.cache_seconds,
        redis=project.serve.redis,
        access_log=project.serve.access_log,
        telemetry=project.serve.telemetry,
    )


def test_the_environment_wins() -> None:
    given = {"PODIUM_SERVABLE": "a", "PODIUM_EXPOSURES": "b", "PODIUM_MAX_BODY_BYTES": "1"}
    given |= {"PODIUM_MAX_CONCURRENCY": "2", "PODIUM_TIMEOUT_SECONDS": "3", "PODIUM_WORKERS": "4"}
    given |= {"PODIUM_CACHE_ENTRIES": "0", "PODIUM_CACHE_SECONDS": "6", "PODIUM_REDIS": "redis://here"}
    given |= {"PODIUM_LARGEST_BATCH": "5", "PODIUM_ACCESS_LOG": "True", "OTEL_SDK_DISABLED": "false"}
    assert settings.read(given) == Settings(
        Path("a"), Path("b"), 1, 2, 3, 4, 5, 0, 6, "redis://here", access_log=True, telemetry=True
    )


@pytest.mark.parametrize("name", ["PODIUM_ACCESS_LOG", "OTEL_SDK_DISABLED"])
def test_a_switch_is_true_or_false(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be true or false. Received: 'on'"):
        settings.read({name: "on"})


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "\uff12", "99999999999", " 1"])
def test_a_limit_is_a_whole_number_above_0(text: str) -> None:
    with pytest.raises(SettingsError, match="PODIUM_MAX_BODY_BYTES"):
        settings.read({"PODIUM_MAX_BODY_BYTES": text})


def test_settled_places_are_absolute() -> None:
    environment = {"PODIUM_SERVABLE": "a"}
    settings.settle(environment)
    here = Path.cwd()
    assert environment == {"PODIUM_SERVABLE": f"{here}/a", "PODIUM_EXPOSURES": f"{here}/artifacts/exposures"}
