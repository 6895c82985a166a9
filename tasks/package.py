"""package: the champion into BentoML's model store, and a bento around it.

The model's tag says which version it is and since which generation of the registry it is champion; the bento's also
which serving code it holds. So the same champion with the same code is packaged once, and a rollback is packaged anew
and becomes `podium:latest` again.
"""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import bentoml
import yaml
from bentoml.exceptions import NotFound

import digest
from promotion.registry import CHAMPION, Registry, RegistryError, Version
from serving.version import LABEL

log = logging.getLogger(__name__)

NAME: Final = "podium"


@dataclass(frozen=True)
class PackageSummary:
    """What can be served now."""

    version: str
    """Digest of the champion."""
    model: str
    """Tag in BentoML's model store."""
    bento: str
    """Tag in BentoML's bento store."""
    built: bool
    """Whether the bento was built by this call."""


def package(*, registry: Path, project: Path) -> PackageSummary:
    """Makes `podium:latest` the champion.

    Args:
        registry: the registry's folder.
        project: the folder of bentofile.yaml.

    Raises:
        promotion.registry.RegistryError: there is no registry or no champion, or its bytes are not what was registered.
    """
    with Registry(registry, make=False) as book:
        champion = book.champion()
        since = max((event.generation for event in book.history() if event.alias == CHAMPION), default=0)
    if champion is None:
        raise RegistryError(f"{registry}: there is no champion to package; the gate has to promote a version first")
    version = f"{champion.digest[:12]}-{since}"
    model = _store(champion, version)
    bento = f"{version}-{_code(project)[:8]}"
    if built := _latest(bentoml.bentos) != f"{NAME}:{bento}":
        _forget(bentoml.bentos, f"{NAME}:{bento}")
        bentoml.bentos.build_bentofile("bentofile.yaml", version=bento, build_ctx=str(project))
    return PackageSummary(champion.digest, model, f"{NAME}:{bento}", built)


def _store(champion: Version, version: str) -> str:
    """Copies a version into the model store unless it is the newest there, and returns its tag."""
    tag = f"{NAME}:{version}"
    if _latest(bentoml.models) != tag:
        _forget(bentoml.models, tag)
        with bentoml.models.create(tag, labels={LABEL: champion.digest}) as model:
            shutil.copytree(champion.path, Path(model.path) / champion.digest)
    return tag


def _latest(store: ModuleType) -> str | None:
    try:
        return str(store.get(f"{NAME}:latest").tag)
    except NotFound:
        return None


def _forget(store: ModuleType, tag: str) -> None:
    """Removes a model or a bento that is there but no longer the newest, so that it can become it again."""
    try:
        store.delete(tag)
    except NotFound:
        return
    log.info("%s: made anew to be the newest again", tag)


def _code(project: Path) -> str:
    """Digest of bentofile.yaml and of all that it packs."""
    bentofile = project / "bentofile.yaml"
    patterns = yaml.safe_load(bentofile.read_text())["include"]
    files = sorted({bentofile, *(path for pattern in patterns for path in project.glob(pattern))})
    return digest.of_list(files, project)
