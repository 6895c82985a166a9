"""Writers that are killed at any moment: what was acknowledged is there, once, and nothing is missing in between."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from promotion.registry import Registry

ROOT = Path(__file__).parents[2]
WRITERS = 4
PROMOTIONS = 300
KILLS = 8

# Both print one JSON line [generation, token] when, and only when, the promotion was acknowledged to them.
REGISTRY_WRITER = """
import json, os, sys
from pathlib import Path
from promotion.registry import ConflictError, Registry

folder, name, log = Path(sys.argv[1]), sys.argv[2], os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
with Registry(folder) as registry:
    digests = [version.digest for version in registry.versions()]
    number = 0
    while True:
        number += 1
        token = f"{name}-{number}"
        seen = registry.generation()
        try:
            done = registry.promote(digests[number % len(digests)], alias="champion", expected_generation=seen,
                                    decision={"token": token}, actor=name, reason=token)
        except ConflictError:
            continue
        os.write(log, (json.dumps([done, token]) + chr(10)).encode())
"""
FILE_WRITER = """
import json, os, sys, time
from pathlib import Path

path, name = Path(sys.argv[1]) / "events.json", sys.argv[2]
log = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
number = 0
while True:
    number += 1
    token = f"{name}-{number}"
    events = json.loads(path.read_text())
    events.append([len(events) + 1, token])
    time.sleep(0.001)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(events))
    os.replace(temporary, path)
    os.write(log, (json.dumps([len(events), token]) + chr(10)).encode())
"""

Pairs = list[tuple[int, str]]


@dataclass(frozen=True)
class Verdict:
    duplicates: int
    lost: int
    gaps: int


def judge(stored: Pairs, acknowledged: Pairs) -> Verdict:
    """Compares what is there with what the writers were told; (generation, token) pairs, tokens are unique."""
    generations = [generation for generation, _ in stored]
    repeated = (generations, [token for _, token in stored], [generation for generation, _ in acknowledged])
    return Verdict(
        duplicates=sum(len(values) - len(set(values)) for values in repeated),
        lost=len(set(acknowledged) - set(stored)),
        gaps=len(set(range(1, max(generations, default=0) + 1)) - set(generations)),
    )


def acknowledged_in(folder: Path) -> Pairs:
    """Whole lines of all writers; a killed writer's last line may be torn, then nobody was told."""
    lines = [line for log in folder.glob("*.log") for line in log.read_text().splitlines(keepends=True)]
    return [(number, token) for number, token in (json.loads(line) for line in lines if line.endswith("\n"))]


def run_and_kill(program: str, folder: Path, logs: Path) -> int:
    """Runs writers, and kills and replaces one at random, until there were enough of both; returns all kills."""
    rng = random.Random(7)
    count = 0

    def start() -> subprocess.Popen[bytes]:
        nonlocal count
        count += 1
        name = f"w{count}"
        arguments = [sys.executable, "-c", program, str(folder), name, str(logs / f"{name}.log")]
        return subprocess.Popen(arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    writers = [start() for _ in range(WRITERS)]
    try:
        while len(acknowledged_in(logs)) < PROMOTIONS or count - WRITERS < KILLS:
            time.sleep(rng.uniform(0.15, 0.5))
            victim = rng.randrange(WRITERS)
            assert writers[victim].poll() is None, "a writer ended by itself"
            writers[victim].kill()
            assert writers[victim].wait() == -signal.SIGKILL
            writers[victim] = start()
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    return count


def servable(folder: Path, text: str, size: int = 0) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text(text)
    if size:
        (folder / "item_vectors.npy").write_bytes(text.encode() * (size // len(text)))
    return folder


def test_killed_writers_lose_and_repeat_nothing(tmp_path: Path) -> None:
    with Registry(tmp_path / "registry") as registry:
        for text in "ABC":
            registry.register(servable(tmp_path / text, text))
    (tmp_path / "logs").mkdir()
    kills = run_and_kill(REGISTRY_WRITER, tmp_path / "registry", tmp_path / "logs")
    acknowledged = acknowledged_in(tmp_path / "logs")
    with Registry(tmp_path / "registry") as registry:
        events = registry.history()
        stored = [(event.generation, event.reason) for event in events]
        assert judge(stored, acknowledged) == Verdict(duplicates=0, lost=0, gaps=0)
        assert registry.problems() == ()
        champion = registry.champion()
        assert champion is not None
        assert champion.digest == events[-1].digest
    assert len(acknowledged) >= PROMOTIONS
    assert kills >= KILLS + WRITERS
    # A killed writer may have committed one promotion it was never told of, and not more.
    assert len(stored) - len(acknowledged) <= kills
    assert len({token.split("-")[0] for _, token in acknowledged}) > WRITERS


def test_same_checker_finds_a_file_without_compare_and_swap_faulty(tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text("[]")
    (tmp_path / "logs").mkdir()
    run_and_kill(FILE_WRITER, tmp_path, tmp_path / "logs")
    stored = [(number, token) for number, token in json.loads((tmp_path / "events.json").read_text())]
    verdict = judge(stored, acknowledged_in(tmp_path / "logs"))
    assert verdict.lost > 0
    assert verdict.duplicates > 0


@pytest.mark.parametrize(
    ("stored", "acknowledged", "expected"),
    [
        ([(1, "a"), (2, "b")], [(1, "a"), (2, "b")], Verdict(0, 0, 0)),
        ([(1, "a"), (2, "b")], [(1, "a")], Verdict(0, 0, 0)),
        ([(1, "a"), (2, "b")], [(1, "a"), (2, "c")], Verdict(0, 1, 0)),
        ([(1, "a"), (3, "b")], [(1, "a"), (3, "b")], Verdict(0, 0, 1)),
        ([(1, "a"), (2, "a")], [(1, "a")], Verdict(1, 0, 0)),
        ([(1, "a"), (1, "b")], [(1, "a")], Verdict(1, 0, 0)),
        ([(1, "a")], [(1, "a"), (1, "b")], Verdict(1, 1, 0)),
    ],
)
def test_checker_counts_what_it_should(stored: Pairs, acknowledged: Pairs, expected: Verdict) -> None:
    assert judge(stored, acknowledged) == expected


REGISTRAR = """
import sys
from pathlib import Path
from promotion.registry import Registry

print("ready", flush=True)
while True:
    for source in sys.argv[2:]:
        with Registry(Path(sys.argv[1])) as registry:
            registry.register(Path(source))
"""


def test_killed_registrations_leave_whole_versions_or_none(tmp_path: Path) -> None:
    rng = random.Random(7)
    sources = [servable(tmp_path / text, text, size=2_000_000) for text in "ABCDEFGH"]
    halves = 0
    for number in range(8):
        folder = tmp_path / f"registry{number}"
        arguments = [sys.executable, "-c", REGISTRAR, str(folder), *map(str, sources)]
        with subprocess.Popen(
            arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
        ) as registrar:
            assert registrar.stdout is not None
            registrar.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.15))
            while number % 2 and not any(folder.glob("versions/.incoming-*")):
                assert registrar.poll() is None, "the registrar ended by itself"
            registrar.kill()
        halves += any(folder.glob("versions/.incoming-*"))
        with Registry(folder) as registry:
            assert registry.problems() == ()
            digests = {registry.register(source).digest for source in sources}
            assert registry.problems() == ()
            assert {path.name for path in (folder / "versions").iterdir()} == digests
    assert halves > 0, "no kill fell into a copy"


SUICIDE = """
import os, signal, sys
from pathlib import Path
import durable
from promotion import database, head
from promotion.registry import Registry

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

append, write, calls = database.append, head.write, []

def append_and_die(*arguments):
    append(*arguments)
    die()

def die_the_second_time(*arguments):
    calls.append(arguments)
    die() if len(calls) == 2 else write(*arguments)

with Registry(Path(sys.argv[1])) as registry:
    (version,) = registry.versions()
    match sys.argv[2]:
        case "before the commit":
            database.append = append_and_die
        case "before the head":
            head.write = die_the_second_time
        case "before the head's rename":
            durable.os.replace = die
        case "after the head's rename":
            durable.sync_folder = die
    registry.promote(version.digest, alias="champion", expected_generation=registry.generation(), decision={},
                     actor="test", reason="killed")
"""


@pytest.mark.parametrize(
    ("moment", "kept"),
    [
        ("before the commit", False),
        ("before the head", True),
        ("before the head's rename", True),
        ("after the head's rename", True),
    ],
)
@pytest.mark.parametrize("earlier", [0, 1, 2])
def test_kill_at_every_step_of_a_promotion_leaves_it_whole(
    tmp_path: Path, moment: str, kept: bool, earlier: int
) -> None:
    folder = tmp_path / "registry"
    with Registry(folder) as registry:
        digest = registry.register(servable(tmp_path / "model", "A")).digest

        def promote() -> int:
            return registry.promote(
                digest,
                alias="champion",
                expected_generation=registry.generation(),
                decision={},
                actor="test",
                reason="better",
            )

        for _ in range(earlier):
            promote()
        arguments = [sys.executable, "-c", SUICIDE, str(folder), moment]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        assert subprocess.run(arguments, cwd=ROOT, env=environment, check=False).returncode == -signal.SIGKILL
        assert registry.generation() == earlier + kept
        assert registry.problems() == ()
        # The second one may die while it still makes good what the first one left.
        assert subprocess.run(arguments, cwd=ROOT, env=environment, check=False).returncode == -signal.SIGKILL
        assert registry.generation() - earlier - kept in {0, int(kept)}
        assert registry.problems() == ()
        before = registry.generation()
        assert promote() == before + 1
        assert registry.problems() == ()
        assert [path.name for path in folder.glob(".head.json.*")] == []
