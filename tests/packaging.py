"""Champions and their bentos, in a BentoML home of their own."""

import subprocess
import sys
from pathlib import Path

from promotion.registry import Registry
from tests.serving import tiny

PACKAGE = """
import sys
from pathlib import Path
import bentoml
from tasks.package import package
made = package(registry=Path(sys.argv[1]), project=Path(sys.argv[2]))
newest = [str(store.get("podium:latest").tag) for store in (bentoml.models, bentoml.bentos)]
assert newest == [made.model, made.bento], (newest, made)
print(made.version, made.model, made.bento, made.built)
"""


def promote(registry: Path, servable: Path) -> str:
    """Makes a folder's bytes champion and gives their digest."""
    with Registry(registry) as book:
        digest = book.register(servable).digest
        generation = book.generation()
        book.promote(
            digest, alias="champion", expected_generation=generation, decision={}, actor="test", reason="to be packaged"
        )
    return digest


def package(home: Path, registry: Path) -> list[str]:
    """Digest, model tag, bento tag, and whether the bento was built now; both are the newest afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", PACKAGE, str(registry), str(tiny.ROOT)],
        cwd=tiny.ROOT,
        env=tiny.isolated(home),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1].split()
