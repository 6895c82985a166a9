"""How often the gate is wrong: 200 repeated experiments for each truth, with seeds, so every count is repeatable.

The simulated answers are hits and misses of two models. Each user has a level, and each model has users that it suits:
a difference between models that all queries of a user share. That is what makes the queries of one user dependent, and
what a comparison that takes queries for independent gets wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evaluation.significance import Bootstrap
from promotion.gate import Evidence, Rules, decide

RUNS = 200
USERS = 100
MOST_AA, MOST_WORSE, LEAST_BETTER = 18, 6, 146
"""Promotions of 200: at most for equal models and for a worse one, at least for a better one."""
RULES = Rules(
    min_queries=500,
    min_users=30,
    min_gain=0.0,
    max_compression_loss=0.01,
    max_coverage_drop=0.1,
    max_slice_drop=0.1,
    min_slice_queries=100,
    latency_p99_ms=20.0,
    size_limit_bytes=1_000_000,
)

Gate = Callable[[Evidence], bool]


@dataclass(frozen=True)
class Truth:
    """What the challenger really is, relative to the champion."""

    gain: float
    cold_gain: float
    """On the cold slice, a quarter of the queries."""


EQUAL = Truth(0.0, 0.0)
WORSE = Truth(-0.02, -0.02)
BETTER = Truth(0.15, 0.15)
HARMFUL = Truth(0.35, -0.3)


def experiment(truth: Truth, seed: int) -> Evidence:
    """One test of about 2000 queries, both models asked the same."""
    generator = np.random.default_rng(seed)
    users = np.repeat(np.arange(USERS), generator.integers(5, 36, USERS))
    cold = generator.random(len(users)) < 0.25
    level = generator.uniform(0.25, 0.55, USERS)
    suits = generator.normal(0, 0.1, (2, USERS))
    factor = 1 + np.where(cold, truth.cold_gain, truth.gain)
    # One draw of difficulty for both: the same query is hard or easy for either model.
    difficulty, place = generator.random(len(users)), 1 / np.log2(generator.integers(2, 6, len(users)))
    theirs = np.where(difficulty < (level + suits[0])[users], place, 0.0)
    ours = np.where(difficulty < (level + suits[1])[users] * factor, place, 0.0)
    return Evidence(
        challenger="challenger",
        reference="champion",
        withdrawn=False,
        users=users,
        ours=ours,
        theirs=theirs,
        baselines={},
        parent=ours,
        slices={"cold": cold, "warm": ~cold},
        coverage=0.5,
        reference_coverage=0.5,
        latency_p99_ms=5.0,
        size_bytes=500_000,
        reference_freeze=0,
        test_start=0,
    )


def gate(evidence: Evidence) -> bool:
    return decide(evidence, RULES, Bootstrap(samples=200, confidence=0.95, seed=1)).result == "promoted"


def primary_alone(evidence: Evidence) -> bool:
    """The gate without slices, so that nothing else can hold back what the primary check lets through."""
    return gate(replace(evidence, slices={}))


def comparison_of_means(evidence: Evidence) -> bool:
    """What the gate is not."""
    return bool(evidence.ours.mean() > evidence.theirs.mean())


def independent_queries(evidence: Evidence) -> bool:
    """The gate with every query taken for a user of its own."""
    return primary_alone(replace(evidence, users=np.arange(len(evidence.users))))


def promotions(judge: Gate, truth: Truth) -> int:
    return sum(judge(experiment(truth, seed)) for seed in range(RUNS))


def gains(truth: Truth, inside: Callable[[Evidence], npt.NDArray[np.bool_]]) -> float:
    """Mean relative gain over all runs, to see that the simulation is what it says."""
    runs = [experiment(truth, seed) for seed in range(RUNS)]
    ours, theirs = (np.mean([getattr(run, side)[inside(run)].mean() for run in runs]) for side in ("ours", "theirs"))
    return float(ours / theirs - 1)


def everywhere(evidence: Evidence) -> npt.NDArray[np.bool_]:
    return np.ones(len(evidence.users), np.bool_)


def test_the_simulation_is_what_it_says() -> None:
    assert abs(gains(EQUAL, everywhere)) < 0.01
    assert abs(gains(WORSE, everywhere) - -0.02) < 0.01
    assert abs(gains(BETTER, everywhere) - 0.15) < 0.01
    assert abs(gains(HARMFUL, lambda run: run.slices["cold"]) - -0.3) < 0.02
    assert gains(HARMFUL, everywhere) > 0.15


def test_equal_models_are_rarely_promoted() -> None:
    assert promotions(primary_alone, EQUAL) <= MOST_AA
    assert promotions(gate, EQUAL) <= MOST_AA


def test_a_worse_challenger_is_almost_never_promoted() -> None:
    assert promotions(primary_alone, WORSE) <= MOST_WORSE


def test_a_better_challenger_is_mostly_promoted() -> None:
    assert promotions(gate, BETTER) >= LEAST_BETTER


def test_a_challenger_that_harms_a_slice_is_never_promoted() -> None:
    assert promotions(gate, HARMFUL) == 0
    # It is the slice that stops it: by its mean alone it would pass.
    assert promotions(primary_alone, HARMFUL) >= LEAST_BETTER


def test_a_comparison_of_means_fails_the_same_check() -> None:
    found = promotions(comparison_of_means, EQUAL)
    assert 80 <= found <= 120
    assert found > MOST_AA


def test_taking_queries_for_independent_fails_the_same_check() -> None:
    assert promotions(independent_queries, EQUAL) > MOST_AA
