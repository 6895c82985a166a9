"""A ranker finds what the retrieval cannot see, and nothing where there is nothing."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation import metrics, protocol
from models import device
from models.learning_to_rank import Schedule, learn
from models.shortlists import Shortlists
from scoring.cross_network import CrossNetwork
from scoring.two_stage import TwoStage
from tests.models.rankable import CATALOGUE, RETRIEVAL, lists, queries, shape

SCHEDULE = Schedule(epochs=15, batch_size=32, learning_rate=0.01, seed=7)
ASKED = queries()
MIDDLE = int(ASKED.time[len(ASKED) // 2])
LATER = ASKED[ASKED.time >= MIDDLE]


def earlier() -> Shortlists:
    found = lists()
    return found[np.flatnonzero(found.time < MIDDLE)]


def learned(some: Shortlists, **changes: float) -> CrossNetwork:
    device.prepare(seed=7, threads=2)
    return learn(some, shape(dropout=0.1, **changes), SCHEDULE, label="toy")  # type: ignore[arg-type]  # floats alone


def ndcg(scorer: protocol.Scorer) -> float:
    ranking = protocol.rank(scorer, LATER, CATALOGUE, k=10, chunk_size=64)
    return float(metrics.accuracy(ranking.rank, [10])["ndcg_at_10"].mean())


def test_what_the_retrieval_cannot_see_is_found() -> None:
    before, after = ndcg(RETRIEVAL.form), ndcg(TwoStage(RETRIEVAL, learned(earlier())))
    # Nine items share the category; in any order they have a mean of 1/9 sum 1 / log2(1 + r) = .48, times the three
    # quarters of them that are on the list of 30 of 40.
    assert before < 0.2
    assert after > 0.3


def test_shuffled_answers_teach_nothing() -> None:
    """The control: the same lists, the place of what was taken belongs to somebody else."""
    some = earlier()
    shuffled = replace(some, taken=np.random.default_rng(0).permutation(some.taken))
    assert ndcg(TwoStage(RETRIEVAL, learned(shuffled))) < ndcg(RETRIEVAL.form) + 0.05


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    one, same = learned(earlier()), learned(earlier())
    other = learn(earlier(), shape(dropout=0.1), replace(SCHEDULE, seed=8), label="toy")
    for name, array in one.arrays().items():
        assert array.tobytes() == same.arrays()[name].tobytes(), name
    assert one.out.tobytes() != other.out.tobytes()


def test_a_log_without_weights_is_learned_with_one_task() -> None:
    """Weights that are all alike leave the second task out, and its share changes nothing."""
    plain = replace(earlier(), weight=np.ones(len(earlier()), np.float32))
    one, other = learned(plain, weight_loss=5.0), learned(plain)
    np.testing.assert_array_equal(one.out, other.out)
    weighted = learned(earlier(), weight_loss=5.0)
    assert np.abs(weighted.out - other.out).max() > 1e-3


@pytest.mark.parametrize("count", [1, 5])
def test_fewer_lists_than_a_batch_are_one_batch(count: int) -> None:
    assert np.isfinite(learned(earlier()[:count]).out).all()
