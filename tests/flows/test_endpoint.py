"""What a flow serves is the bento it was told, whatever else the store and the shell have."""

from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

import params
from flows import endpoint
from tests.packaging import package, promote
from tests.serving import tiny


def test_the_named_bento_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servable = tmp_path / "servable"
    tiny.write(servable)
    registry = tmp_path / "registry"
    first = promote(registry, servable)
    _, _, bento, _ = package(tmp_path, registry)
    np.save(servable / "popular.npy", np.load(servable / "popular.npy")[::-1])
    assert promote(registry, servable) != first
    package(tmp_path, registry)
    for name, value in (tiny.isolated(tmp_path) | {"PODIUM_SERVABLE": str(servable)}).items():
        monkeypatch.setenv(name, value)
    settings = params.load(tiny.ROOT / "params.yaml")
    paths = msgspec.structs.replace(settings.paths, exposures=tmp_path / "exposures", reports=tmp_path / "reports")
    with endpoint.serving(msgspec.structs.replace(settings, paths=paths), bento) as url:
        answer = httpx.post(f"{url}/recommend", json={"k": 1}).json()
    assert answer["model_version"] == first
    assert list((tmp_path / "exposures").glob("*.jsonl"))
