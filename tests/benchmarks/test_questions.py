"""What the endpoint is asked in the serving benchmarks, on a shop's log."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

import params
from benchmarks import questions
from dataset.world import World
from serving import messages
from tasks.steps import run
from tests.shop import settings, shop, write


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> params.Params:
    folder, shops = tmp_path_factory.mktemp("shop"), settings(params.load())
    paths = params.Paths(**{name: folder / name for name in params.Paths.__struct_fields__})
    found = msgspec.structs.replace(shops, paths=paths)
    write(found.paths.inbox, shop(seed=4), suffix=".csv")
    for stage in ("ingest", "prepare", "split", "featurize"):
        run(stage, found)
    return found


def asked(path: Path, world: World, *, seed: int = 1, count: int = 400) -> list[messages.Request]:
    questions.write(path, world, seed=seed, count=count)
    return [messages.parse(line) for line in path.read_bytes().splitlines()]


def test_half_are_known_users_and_half_bring_a_real_history(chosen: params.Params, tmp_path: Path) -> None:
    world = questions.world(chosen)
    requests = asked(tmp_path / "requests.jsonl", world)
    known = [one.user_id for one in requests if one.user_id is not None]
    histories = [one.history for one in requests if one.user_id is None]
    assert (len(known), len(histories)) == (200, 200)
    lines = world.final.known
    stored = {name for user, name in enumerate(world.users) if lines.starts[user] < lines.starts[user + 1]}
    assert set(known) <= stored
    assert len(set(known)) > len(stored) / 2
    real = {tuple(world.timelines.items[world.timelines.starts[user] :][:end]) for user, end in pairs(world)}
    assert {tuple(world.items.index(history)) for history in histories} <= real
    assert all(one.k == 10 for one in requests)


def pairs(world: World) -> list[tuple[int, int]]:
    return list(zip(world.test.user.tolist(), world.test.end.tolist(), strict=True))


def test_they_are_mixed_and_the_seed_decides(chosen: params.Params, tmp_path: Path) -> None:
    world = questions.world(chosen)
    first, again, other = (asked(tmp_path / str(n), world, seed=seed) for n, seed in enumerate((1, 1, 2)))
    assert first == again
    assert first != other
    kinds = np.array([one.user_id is None for one in first])
    assert 50 < (kinds[1:] != kinds[:-1]).sum() < 350


def test_what_has_not_been_made_is_named(chosen: params.Params, tmp_path: Path) -> None:
    with pytest.raises(questions.ModelError, match="two-tower: no variants"):
        questions.variant(chosen, "two-tower")
    nowhere = msgspec.structs.replace(chosen.paths, features=tmp_path / "nowhere")
    with pytest.raises(questions.ModelError, match="no features"):
        questions.world(msgspec.structs.replace(chosen, paths=nowhere))
    assert not questions.is_neural(chosen, "two-tower")
