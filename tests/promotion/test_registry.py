import json
import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import digest as digests
from promotion import database, head
from promotion.registry import ConflictError, LedgerError, Registry, RegistryError, Version

FILES = {
    "manifest.json": b'{"format":1}',
    "item_vectors.npy": b"\x93NUMPY",
    "timelines.npz": b"PK",
    "q.tflite": b"TFL3",
}


def servable(folder: Path, text: str = "") -> Path:
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data + text.encode())
    return folder


def drop_guards(folder: Path) -> sqlite3.Connection:
    """What a hand on the database can do that goes past the triggers."""
    connection = sqlite3.connect(folder / database.DATABASE, isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    return connection


def promote(registry: Registry, version: Version, alias: str = "champion", **changes: Any) -> int:
    arguments: dict[str, Any] = {
        "alias": alias,
        "expected_generation": registry.generation(),
        "decision": {"gain": 0.25, "verdict": "promote"},
        "actor": "gate",
        "reason": "better",
    }
    return registry.promote(version.digest, **(arguments | changes))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry") as opened:
        yield opened


@pytest.fixture
def versions(registry: Registry, tmp_path: Path) -> list[Version]:
    return [registry.register(servable(tmp_path / name, name)) for name in "ABC"]


def test_registered_folder_is_kept_under_its_digest_read_only(registry: Registry, tmp_path: Path) -> None:
    source = servable(tmp_path / "model")
    version = registry.register(source)
    assert version.digest == digests.of_folder(source)
    assert version.path == registry.path(version.digest) == registry.folder / "versions" / version.digest
    assert {path.name: path.read_bytes() for path in version.path.iterdir()} == FILES
    assert {path.stat().st_mode & 0o777 for path in version.path.iterdir()} == {0o444}
    assert version.bytes == sum(map(len, FILES.values()))
    assert version.files == digests.of_files(source)
    assert registry.versions() == (version,)


def test_same_bytes_twice_are_one_version(registry: Registry, tmp_path: Path) -> None:
    first = registry.register(servable(tmp_path / "a"))
    assert registry.register(servable(tmp_path / "b")) == first
    assert registry.register(servable(tmp_path / "c", "other")).digest != first.digest
    assert len(registry.versions()) == 2
    assert len(list((registry.folder / "versions").iterdir())) == 2


def test_copy_doesnt_follow_later_changes_of_the_source(registry: Registry, tmp_path: Path) -> None:
    source = servable(tmp_path / "model")
    version = registry.register(source)
    (source / "manifest.json").write_bytes(b"{}")
    assert registry.verify(version.digest) == version


@pytest.mark.parametrize(
    "name",
    [
        "model.pkl",
        "model.pkl.gz",
        "x.json.gz",
        ".npy.gz",
        "model.py",
        "x.so",
        "noext",
        ".json",
        "UPPER.json",
        "a b.json",
        f"{'a' * 60}.json",
        "x.json\n",
    ],
)
def test_file_with_a_name_that_isnt_allowed_is_named(registry: Registry, tmp_path: Path, name: str) -> None:
    source = servable(tmp_path / "model")
    (source / name).write_bytes(b"x")
    with pytest.raises(RegistryError, match="file names must match") as caught:
        registry.register(source)
    assert repr(name) in str(caught.value)
    assert registry.versions() == ()
    assert list((registry.folder / "versions").iterdir()) == []


def test_longest_name_is_allowed(registry: Registry, tmp_path: Path) -> None:
    source = servable(tmp_path / "model")
    (source / f"{'a' * 59}.json").write_bytes(b"x")
    assert len(registry.register(source).files) == 5


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_what_isnt_a_plain_file_is_named(registry: Registry, tmp_path: Path, kind: str) -> None:
    source = servable(tmp_path / "model")
    odd = source / "odd.json"
    match kind:
        case "link":
            odd.symlink_to(source / "manifest.json")
        case "dangling":
            odd.symlink_to(tmp_path / "nowhere")
        case "pipe":
            os.mkfifo(odd)
        case "folder":
            odd.mkdir()
    with pytest.raises(RegistryError, match=r"odd\.json: a version must hold plain files alone"):
        registry.register(source)
    assert registry.versions() == ()


def test_source_must_be_a_folder_with_files(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(servable(tmp_path / "model"))
    with pytest.raises(RegistryError, match="empty: a version must hold at least one file"):
        registry.register(tmp_path / "empty")
    for name in ("link", "nowhere"):
        with pytest.raises(RegistryError, match=f"{name}: a version must be a folder"):
            registry.register(tmp_path / name)


def test_leftovers_of_a_killed_registration_go_and_its_folder_is_taken_over(registry: Registry, tmp_path: Path) -> None:
    source = servable(tmp_path / "model")
    servable(registry.folder / "versions" / ".incoming-dead", "half")
    servable(registry.folder / "versions" / digests.of_folder(source))
    version = registry.register(source)
    assert [path.name for path in (registry.folder / "versions").iterdir()] == [version.digest]
    assert registry.problems() == ()


def test_damaged_version_isnt_taken_over_and_heals_by_registering_again(registry: Registry, tmp_path: Path) -> None:
    source = servable(tmp_path / "model")
    damaged = servable(registry.folder / "versions" / digests.of_folder(source), "damage")
    with pytest.raises(RegistryError, match="not the bytes that were registered"):
        registry.register(source)
    assert registry.versions() == ()
    for path in damaged.iterdir():
        path.unlink()
    damaged.rmdir()
    assert registry.verify(registry.register(source).digest).path == damaged


def test_hundred_mutations_are_all_refused(registry: Registry, tmp_path: Path) -> None:
    rng = random.Random(7)
    for number in range(100):
        version = registry.register(servable(tmp_path / f"model{number}", f"{number}"))
        assert registry.resolve(version.digest) == version
        victim = version.path / rng.choice(sorted(FILES))
        match number % 5:
            case 0:
                data = bytearray(victim.read_bytes())
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                victim.unlink()
                victim.write_bytes(data)
            case 1:
                victim = version.path / f"extra{number}.json"
                victim.write_bytes(b"")
            case 2:
                victim.unlink()
            case 3:
                victim.rename(tmp_path / f"aside{number}")
                victim.symlink_to(tmp_path / f"aside{number}")
            case 4:
                victim = version.path.rename(tmp_path / f"aside{number}")
                version.path.symlink_to(victim)
                victim = version.path
        for refused in (registry.verify, registry.resolve):
            with pytest.raises(RegistryError) as caught:
                refused(version.digest)
            assert victim.name in str(caught.value)
        with pytest.raises(RegistryError):
            promote(registry, version)
    assert registry.generation() == 0
    assert len(registry.problems()) == 100


def test_resolve_takes_aliases_and_unambiguous_beginnings(registry: Registry, versions: list[Version]) -> None:
    a, b, _ = versions
    promote(registry, a)
    promote(registry, b, alias="challenger")
    assert registry.resolve("champion") == a == registry.champion()
    assert registry.resolve("challenger") == b
    assert registry.resolve(b.digest[:8]) == registry.resolve(b.digest) == b
    assert registry.aliases() == {"champion": a.digest, "challenger": b.digest}
    for name in (a.digest[:7], a.digest.upper(), "../" + a.digest, "", f"{a.digest}0", "winner"):
        with pytest.raises(RegistryError, match="must be named by"):
            registry.resolve(name)
    with pytest.raises(RegistryError, match=r"must begin with 00000000\. Found: \[\]"):
        registry.resolve("00000000")


def test_ambiguous_beginning_is_refused(registry: Registry, versions: list[Version]) -> None:
    twin = versions[0].digest[:63] + ("0" if versions[0].digest[63] != "0" else "1")
    connection = sqlite3.connect(registry.folder / database.DATABASE)
    connection.execute("INSERT INTO versions VALUES (?, 'now', 1, '{}')", (twin,))
    connection.commit()
    connection.close()
    with pytest.raises(RegistryError, match="one version's digest must begin with"):
        registry.resolve(twin[:63])
    assert registry.resolve(versions[0].digest) == versions[0]


@pytest.mark.parametrize("digest", ["", "..", "a" * 63, "A" * 64, "a" * 65, "a" * 64 + "\n"])
def test_path_takes_digests_alone(registry: Registry, digest: str) -> None:
    with pytest.raises(RegistryError, match="64 lower-case hexadecimal"):
        registry.path(digest)


def test_empty_registry_has_no_champion(registry: Registry) -> None:
    assert registry.champion() is None
    assert registry.generation() == 0
    assert registry.history() == ()
    assert registry.problems() == ()
    with pytest.raises(RegistryError, match="there is no champion yet"):
        registry.resolve("champion")
    with pytest.raises(RegistryError, match=r"no version f{64}"):
        registry.verify("f" * 64)


def test_promotion_is_kept_as_it_was_decided(registry: Registry, versions: list[Version]) -> None:
    assert promote(registry, versions[0]) == 1
    assert promote(registry, versions[1], decision={"z": [1, None], "a": 0.1}, reason="für gut befunden") == 2
    first, second = registry.history()
    assert (first.kind, first.alias, first.digest, first.previous) == ("promote", "champion", versions[0].digest, "")
    assert (second.generation, second.previous) == (2, versions[0].digest)
    assert second.decision == '{"a":0.1,"z":[1,null]}'
    assert second.details() == {"a": 0.1, "z": [1, None]}
    assert (second.actor, second.reason) == ("gate", "für gut befunden")
    assert second.time.endswith("+00:00")


def test_stale_generation_changes_nothing(registry: Registry, versions: list[Version]) -> None:
    promote(registry, versions[0])
    before = registry.history()
    for stale in (0, 2, -1):
        with pytest.raises(ConflictError, match=rf"must be 1\. Received: {stale}\..*re-evaluate"):
            promote(registry, versions[1], expected_generation=stale)
        with pytest.raises(ConflictError):
            registry.rollback(expected_generation=stale, actor="me", reason="oops")
        with pytest.raises(ConflictError):
            registry.record(versions[1].digest, decision={}, actor="me", reason="held", expected_generation=stale)
    assert registry.history() == before
    assert registry.champion() == versions[0]


def test_two_decisions_on_one_generation_have_one_winner(registry: Registry, versions: list[Version]) -> None:
    seen = registry.generation()
    with Registry(registry.folder) as other:
        assert promote(other, versions[0], expected_generation=seen) == 1
    with pytest.raises(ConflictError):
        promote(registry, versions[1], expected_generation=seen)
    assert registry.champion() == versions[0]


def test_decision_that_promotes_nothing_is_recorded(registry: Registry, versions: list[Version]) -> None:
    promote(registry, versions[0])
    decision = {"verdict": "held"}
    generation = registry.record(versions[1].digest, decision=decision, actor="g", reason="r", expected_generation=1)
    assert generation == registry.generation() == 2
    event = registry.history()[-1]
    assert (event.kind, event.alias, event.digest, event.previous) == ("record", "", versions[1].digest, "")
    assert registry.champion() == versions[0]


def test_rollback_goes_back_and_never_forth(registry: Registry, versions: list[Version]) -> None:
    a, b, c = versions
    for version in (a, b, c):
        promote(registry, version)
    promote(registry, b, alias="challenger")
    assert registry.rollback(expected_generation=4, actor="me", reason="slow") == 5
    assert registry.champion() == b
    assert registry.history()[-1].previous == c.digest
    assert registry.rollback(expected_generation=5, actor="me", reason="slow") == 6
    assert registry.champion() == a
    with pytest.raises(RegistryError, match="no earlier champion"):
        registry.rollback(expected_generation=6, actor="me", reason="slow")
    promote(registry, c)
    registry.rollback(expected_generation=7, actor="me", reason="slow")
    assert registry.champion() == a
    assert registry.resolve("challenger") == b


def test_what_was_gone_back_from_is_known_until_it_is_champion_again(
    registry: Registry, versions: list[Version]
) -> None:
    a, b, c = versions
    for version in (a, b, c):
        promote(registry, version)
    assert registry.withdrawn() == frozenset()
    registry.rollback(expected_generation=3, actor="me", reason="slow")
    registry.rollback(expected_generation=4, actor="me", reason="slow")
    assert registry.withdrawn() == {b.digest, c.digest}
    promote(registry, c, alias="challenger")
    assert registry.withdrawn() == {b.digest, c.digest}
    promote(registry, c)
    assert registry.withdrawn() == {b.digest}


def test_rollback_leaves_a_damaged_champion_but_goes_to_no_damaged_one(
    registry: Registry, versions: list[Version]
) -> None:
    for version in versions:
        promote(registry, version)
    (versions[2].path / "manifest.json").unlink()
    with pytest.raises(RegistryError, match=r"manifest\.json"):
        registry.champion()
    registry.rollback(expected_generation=3, actor="me", reason="damaged")
    assert registry.champion() == versions[1]
    (versions[0].path / "manifest.json").unlink()
    with pytest.raises(RegistryError, match=r"manifest\.json"):
        registry.rollback(expected_generation=4, actor="me", reason="slow")
    assert registry.generation() == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alias": "winner"}, "alias must be one of"),
        ({"alias": ""}, "alias must be one of"),
        ({"actor": " "}, "actor must be one printable line"),
        ({"reason": ""}, "reason must be one printable line"),
        ({"reason": "two\nlines"}, "reason must be one printable line"),
        ({"reason": "\x1b[2J"}, "reason must be one printable line"),
        ({"reason": "x" * 2001}, "reason must be one printable line"),
        ({"decision": {"gain": float("inf")}}, "decision must have a JSON form"),
        ({"decision": {"path": Path()}}, "decision must have a JSON form"),
    ],
)
def test_wrong_arguments_change_nothing(
    registry: Registry, versions: list[Version], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RegistryError, match=message):
        promote(registry, versions[0], **changes)
    assert registry.generation() == 0


def test_rows_can_be_neither_changed_nor_replaced_nor_skipped(registry: Registry, versions: list[Version]) -> None:
    for version in versions:
        promote(registry, version)
    connection = sqlite3.connect(registry.folder / database.DATABASE, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    copied = "SELECT 5, time, kind, alias, digest, previous, decision, actor, reason, hash FROM events LIMIT 1"
    for statement, message in (
        ("UPDATE events SET reason = 'other' WHERE generation = 1", "events is append-only"),
        ("DELETE FROM events WHERE generation = 3", "events is append-only"),
        ("UPDATE versions SET time = 'other'", "versions is append-only"),
        ("DELETE FROM versions", "versions is append-only"),
        ("INSERT OR REPLACE INTO events SELECT * FROM events WHERE generation = 2", "no gaps"),
        (f"INSERT INTO events {copied}", "no gaps"),
        ("INSERT OR REPLACE INTO versions SELECT * FROM versions", "versions is append-only"),
        (f"INSERT INTO events {copied.replace('5', '4').replace('digest', 'hash', 1)}", "FOREIGN KEY"),
    ):
        with pytest.raises(sqlite3.IntegrityError, match=message):
            connection.execute(statement)
    connection.close()
    assert registry.problems() == ()
    assert registry.generation() == 3


@pytest.mark.parametrize(
    ("statement", "generation"),
    [
        ("UPDATE events SET digest = (SELECT min(digest) FROM versions), reason = 'x' WHERE generation = 2", 2),
        ("DELETE FROM events WHERE generation = 1", 1),
        ("DELETE FROM events WHERE generation = 3", 3),
        ("DELETE FROM events", 1),
        ("UPDATE events SET generation = 9 WHERE generation = 2", 2),
        ("UPDATE events SET reason = x'ff' WHERE generation = 3", 3),
    ],
)
def test_changed_history_serves_nothing(
    registry: Registry, versions: list[Version], statement: str, generation: int
) -> None:
    for version in versions:
        promote(registry, version)
    connection = drop_guards(registry.folder)
    connection.execute(statement)
    connection.close()
    for refused in (registry.history, registry.generation, registry.champion, lambda: registry.resolve("champion")):
        with pytest.raises(LedgerError, match=f"^generation {generation}: "):
            refused()
    with pytest.raises(LedgerError):
        promote(registry, versions[0], expected_generation=2)
    assert any(line.startswith(f"generation {generation}: ") for line in registry.problems())


@pytest.mark.parametrize("value", ["'{'", "x'ff'"])
def test_damaged_version_row_serves_nothing(registry: Registry, versions: list[Version], value: str) -> None:
    connection = drop_guards(registry.folder)
    connection.execute(f"UPDATE versions SET files = {value}")
    connection.close()
    with pytest.raises(RegistryError, match=f"row of version {versions[0].digest} is damaged"):
        registry.resolve(versions[0].digest)


@pytest.mark.parametrize("value", ["'{'", "x'ff'", "'7'", "CAST(x'ff' AS TEXT)"])
def test_damaged_version_row_hides_no_other_problem(registry: Registry, versions: list[Version], value: str) -> None:
    connection = drop_guards(registry.folder)
    connection.execute(f"UPDATE versions SET files = {value} WHERE digest = '{versions[0].digest}'")
    connection.close()
    (versions[1].path / "manifest.json").unlink()
    (registry.folder / head.NAME).write_text("")
    broken_head, row, version = registry.problems()
    assert head.NAME in broken_head
    assert f"row of version {versions[0].digest}" in row
    assert versions[1].digest in version


def test_head_that_a_kill_left_one_behind_is_made_good(registry: Registry, versions: list[Version]) -> None:
    path = registry.folder / head.NAME
    path.write_text(json.dumps({"generation": 0, "hash": "0" * 64}))
    for number, version in enumerate(versions):
        promote(registry, version)
        hashes = ["0" * 64, *(event.hash for event in registry.history())]
        path.write_text(json.dumps({"generation": number, "hash": hashes[number]}))
        assert registry.champion() == version
        assert registry.problems() == ()
    path.write_text(json.dumps({"generation": 2, "hash": hashes[2]}))
    with pytest.raises(ConflictError):
        promote(registry, versions[0], expected_generation=2)
    promote(registry, versions[0])
    assert json.loads(path.read_bytes()) == {"generation": 4, "hash": registry.history()[-1].hash}


def test_head_that_a_kill_before_the_first_one_left_out_is_made_good(
    registry: Registry, versions: list[Version]
) -> None:
    promote(registry, versions[0])
    (registry.folder / head.NAME).unlink()
    assert registry.champion() == versions[0]
    assert promote(registry, versions[1]) == 2
    assert registry.problems() == ()


def test_head_is_never_two_behind(registry: Registry, versions: list[Version]) -> None:
    promote(registry, versions[0])
    old = (registry.folder / head.NAME).read_bytes()
    promote(registry, versions[1])
    promote(registry, versions[2])
    (registry.folder / head.NAME).write_bytes(old)
    with pytest.raises(LedgerError, match=r"^generation 2: written past the head"):
        registry.history()
    (registry.folder / head.NAME).unlink()
    with pytest.raises(LedgerError, match=r"^generation 1: written past the head"):
        registry.history()


@pytest.mark.parametrize("text", ["", "[]", '{"generation": "1", "hash": ""}', '{"generation": -1, "hash": ""}'])
def test_broken_head_is_named(registry: Registry, versions: list[Version], text: str) -> None:
    promote(registry, versions[0])
    (registry.folder / head.NAME).write_text(text)
    with pytest.raises(LedgerError, match=r"head\.json"):
        registry.champion()


def test_head_temporaries_of_killed_writers_go(registry: Registry, versions: list[Version]) -> None:
    stale = registry.folder / ".head.json.dead"
    stale.write_bytes(b"")
    promote(registry, versions[0])
    assert not stale.exists()


def test_readers_dont_wait_for_a_writer(registry: Registry, versions: list[Version]) -> None:
    promote(registry, versions[0])
    connection = sqlite3.connect(registry.folder / database.DATABASE, isolation_level=None)
    with database.locked(registry.folder), database.transaction(connection):
        connection.execute("INSERT INTO versions VALUES (?, 'now', 1, '{}')", ("f" * 64,))
        with Registry(registry.folder) as reader:
            assert reader.champion() == versions[0]
            assert len(reader.versions()) == 3
    connection.close()
    assert len(registry.versions()) == 4


def test_writer_that_finds_no_end_of_waiting_says_so(
    registry: Registry, versions: list[Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.02)
    with database.locked(registry.folder), pytest.raises(RegistryError, match="another process has been writing"):
        promote(registry, versions[0])
    assert promote(registry, versions[0]) == 1


def test_history_survives_closing(tmp_path: Path) -> None:
    with Registry(tmp_path / "deep" / "registry") as registry:
        version = registry.register(servable(tmp_path / "model"))
        promote(registry, version)
        history = registry.history()
    with Registry(tmp_path / "deep" / "registry") as registry:
        assert registry.history() == history
        assert registry.champion() == version
    with pytest.raises(sqlite3.ProgrammingError):
        registry.history()


def test_database_is_set_up_to_keep_what_it_acknowledged(registry: Registry) -> None:
    def pragma(name: str) -> Any:
        (value,) = registry._connection.execute(f"PRAGMA {name}").fetchone()
        return value

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("foreign_keys") == 1
    assert pragma("busy_timeout") == 30_000
    assert pragma("user_version") == 1


def test_newer_schema_and_foreign_files_are_refused(tmp_path: Path) -> None:
    Registry(tmp_path / "newer").close()
    connection = sqlite3.connect(tmp_path / "newer" / database.DATABASE)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(RegistryError, match=r"schema version must be 1\. Received: 2"):
        Registry(tmp_path / "newer")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / database.DATABASE).write_text("not a database, but long enough to look like something" * 20)
    with pytest.raises(RegistryError, match="can't be opened as a registry"):
        Registry(tmp_path / "other")


def test_many_may_open_a_new_registry_at_once(tmp_path: Path) -> None:
    for number in range(10):
        failures: list[Exception] = []
        barrier = threading.Barrier(8)

        def use(folder: Path, gate: threading.Barrier, seen: list[Exception]) -> None:
            try:
                gate.wait()
                with Registry(folder) as registry:
                    assert registry.generation() == 0
            except Exception as error:  # noqa: BLE001 the main thread raises it
                seen.append(error)

        threads = [
            threading.Thread(target=use, args=(tmp_path / f"registry{number}", barrier, failures)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
