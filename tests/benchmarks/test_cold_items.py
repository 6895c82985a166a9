"""What is withheld is withheld from everything that can be learned from, and the rest stays as it was."""

import numpy as np
import pytest

from benchmarks import cold_items
from benchmarks.cold_items import Answers
from dataset.features import NEVER
from dataset.world import Fold
from evaluation.significance import Bootstrap
from tests.models.worlds import CATALOGUE, NUM_ITEMS, cycle

WORLD = cycle(num_users=30)
KNOWN = WORLD.timelines.before(WORLD.freeze)
FOLD = Fold("toy", KNOWN, WORLD.train, WORLD.test, CATALOGUE, WORLD.features.count_fit, WORLD.freeze, WORLD.features)
ITEMS = np.isin(np.arange(NUM_ITEMS), [5, 9, 17])


def test_a_fifth_of_the_catalogue_is_chosen_by_the_seed() -> None:
    one, same, other = (cold_items.choice(CATALOGUE, seed) for seed in (1, 1, 2))
    assert one.sum() == round(CATALOGUE.sum() / 5)
    assert not one[~CATALOGUE].any()
    assert one.tolist() == same.tolist() != other.tolist()


def test_nothing_of_what_is_withheld_can_be_learned() -> None:
    made = cold_items.withhold(FOLD, ITEMS)
    assert not ITEMS[made.known.items].any()
    assert not ITEMS[made.learn.target].any()
    assert not ITEMS[made.learn.history(50)].any()
    assert not ITEMS[made.ask.history(50)].any()
    assert not made.counts[ITEMS].any()
    assert not made.features.popularity[:, ITEMS].any()
    assert (made.features.first_seen[ITEMS] == NEVER).all()
    assert made.catalogue.tolist() == CATALOGUE.tolist()


def test_the_rest_stays_as_it_was() -> None:
    made = cold_items.withhold(FOLD, ITEMS)
    assert len(made.known.items) == (~ITEMS[KNOWN.items]).sum()
    kept = FOLD.learn[~ITEMS[FOLD.learn.target]]
    assert made.learn.target.tolist() == kept.target.tolist()
    for ours, before in zip(made.learn.history(50), kept.history(50), strict=True):
        assert ours[ours > 0].tolist() == before[(before > 0) & ~ITEMS[before]].tolist()
    assert (made.ask.target == FOLD.ask.target[ITEMS[FOLD.ask.target]]).all()
    assert len(made.ask) > 0


def test_recall_stands_beside_what_it_is_at_random() -> None:
    users = np.array([0, 0, 1, 2], np.int32)
    hit, chance = np.array([1.0, 0, 1, 0]), np.full(4, 0.25)
    answers = [Answers(users, dict.fromkeys(cold_items.CUTOFFS, hit), dict.fromkeys(cold_items.CUTOFFS, chance))]
    found = {row.metric: row for row in cold_items.rows("some", answers, Bootstrap(100, 0.9, 1))}
    assert found["recall_at_100"].value == 0.5
    assert found["recall_at_100 at random"].value == 0.25
    times = found["recall_at_100 against random"]
    assert times.value == pytest.approx(2)
    assert times.low <= times.value <= times.high
    assert {row.subject for row in found.values()} == {"podium/some"}
