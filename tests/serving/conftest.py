from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from serving.traffic import Traffic
from tests.serving import tiny


@pytest.fixture(scope="session")
def tiny_servable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "servable"
    tiny.write(folder)
    return folder


@pytest.fixture(scope="session")
def server(tiny_servable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tiny.Server]:
    folder = tmp_path_factory.mktemp("server")
    environment = {"PODIUM_SERVABLE": str(tiny_servable)}
    with tiny.serving("serving.service:Podium", folder, environment=environment) as running:
        yield running


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def traffic(registry: CollectorRegistry) -> Traffic:
    return Traffic("/recommend", limit=2, name="podium", version="v1", registry=registry)
