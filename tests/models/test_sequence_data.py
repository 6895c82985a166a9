"""What a sequence model's batches hold when their windows are changed."""

from typing import Any

import msgspec
import numpy as np
import pytest

from dataset import augmentation
from dataset.augmentation import Augmentation, AugmentationError, Changed
from dataset.query import Ints
from dataset.vocabulary import OOV, PADDING
from models import sequence_data
from models.architecture import Augment, SequenceArchitecture
from tests.models import worlds
from tests.models.test_sequential import SHAPE

WORLD = worlds.cycle(num_users=40)
"""Nobody takes an item twice before the freeze, so a target that is seen has come from the future."""


def shape(augment: Augment | None) -> SequenceArchitecture:
    return msgspec.structs.replace(SHAPE, num_items=worlds.NUM_ITEMS, history_length=8, stride=4, augment=augment)


def shares(**changes: float) -> Augment:
    return Augment(**({"crop": 0.0, "mask": 0.0, "reorder": 0.0} | changes))


def batches(augment: Augment | None, *, epochs: int = 1, seed: int = 3) -> list[dict[str, Any]]:
    data = sequence_data.data(shape(augment), WORLD.train, WORLD.features, batch_size=8, seed=seed)
    return [{name: value.numpy() for name, value in batch.items()} for _ in range(epochs) for batch in data.batches]


def visible(batch: dict[str, Any]) -> list[tuple[int, set[int]]]:
    """Each query's target and what it sees."""
    width = batch["history"].shape[1]
    rows = [
        set(batch["history"][at // width, at % width :].tolist()) - {PADDING} if at >= 0 else set()
        for at in batch["at"].tolist()
    ]
    return list(zip(batch["target"].tolist(), rows, strict=True))


def targets_seen(found: list[dict[str, Any]]) -> int:
    return sum(target in seen for batch in found for target, seen in visible(batch))


def test_without_shares_the_batches_are_those_of_a_model_without_a_choice() -> None:
    for one, other in zip(batches(None), batches(shares()), strict=True):
        for name, value in one.items():
            assert np.array_equal(value, other[name]), name


@pytest.mark.parametrize("name", ["crop", "mask", "reorder"])
def test_no_target_is_seen_and_most_are_asked(name: str) -> None:
    plain, found = batches(None, epochs=3), batches(shares(**{name: 0.6}), epochs=3)
    assert targets_seen(plain) == targets_seen(found) == 0
    asked, all_asked = (sum(len(batch["target"]) for batch in some) for some in (found, plain))
    assert (asked == all_asked) == (name == "mask")
    assert asked > all_asked / 2
    assert all(len(batch["snapshot"]) == len(batch["at"]) == len(batch["context"]) for batch in found)
    changed = sum(not np.array_equal(one["history"], other["history"]) for one, other in zip(plain, found, strict=True))
    assert changed > 0.9 * len(found)
    hidden = sum((batch["history"] == OOV).sum() for batch in found)
    assert (hidden > 0) == (name == "mask")


def test_asking_from_inside_a_stretch_would_show_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    real = augmentation.change

    def careless(items: Ints, ages: Ints, how: Augmentation, generator: np.random.Generator) -> Changed:
        found = real(items, ages, how, generator)
        return Changed(found.items, found.ages, np.ones_like(found.askable))

    monkeypatch.setattr(augmentation, "change", careless)
    assert targets_seen(batches(shares(reorder=0.6), epochs=3)) > 10


def test_the_cuts_and_the_order_are_the_same_with_and_without() -> None:
    for one, other in zip(batches(None), batches(shares(mask=0.5)), strict=True):
        assert np.array_equal(one["target"], other["target"])
        assert np.array_equal(one["age"], other["age"])
        shown = other["history"] != OOV
        assert np.array_equal(one["history"][shown], other["history"][shown])


def test_batches_depend_on_the_seed_alone_and_differ_from_epoch_to_epoch() -> None:
    chosen = shares(crop=0.3, mask=0.3, reorder=0.3)
    one, again = batches(chosen, epochs=2), batches(chosen, epochs=2)
    assert all(np.array_equal(a["history"], b["history"]) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0]["history"], batches(chosen, seed=4)[0]["history"])
    half = len(one) // 2
    assert not np.array_equal(one[0]["history"], one[half]["history"])


def test_a_share_that_leaves_nothing_is_refused_before_training() -> None:
    with pytest.raises(AugmentationError, match=r"Received: \{'crop': 1\.0\}"):
        batches(shares(crop=1.0))
