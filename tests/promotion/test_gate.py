from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evaluation.significance import MOST, Bootstrap
from promotion.gate import Check, Decision, Evidence, Rules, decide

RULES = Rules(
    min_queries=100,
    min_users=20,
    min_gain=0.0,
    max_compression_loss=0.01,
    max_coverage_drop=0.1,
    max_slice_drop=0.1,
    min_slice_queries=40,
    latency_p99_ms=20.0,
    size_limit_bytes=1_000_000,
)
BOOTSTRAP = Bootstrap(samples=400, confidence=0.95, seed=3)
USERS = np.repeat(np.arange(40), 5)
LEVEL = np.random.default_rng(1).uniform(0.2, 0.4, len(USERS))
"""The reference's metric; a factor on it is a relative change without noise, whose interval is a point."""
NOISE = np.random.default_rng(2).normal(0, 0.1, len(USERS))
COLD = np.arange(len(USERS)) % 4 == 0
EVERY_CODE = ["primary", "baseline:item-knn", "compression", "slice:cold", "slice:warm", "coverage", "latency", "size"]


def evidence(**changes: Any) -> Evidence:
    """Evidence for a challenger that is 10% better and within every limit, with `changes`."""
    ours = LEVEL * 1.1
    good = Evidence(
        challenger="challenger",
        reference="champion",
        withdrawn=False,
        users=USERS,
        ours=ours,
        theirs=LEVEL,
        baselines={"item-knn": LEVEL * 0.9},
        parent=ours,
        slices={"cold": COLD, "warm": ~COLD},
        coverage=0.5,
        reference_coverage=0.5,
        latency_p99_ms=5.0,
        size_bytes=500_000,
        reference_freeze=1000,
        test_start=1000,
    )
    return replace(good, **changes)


def ask(rules: Rules = RULES, **changes: Any) -> Decision:
    return decide(evidence(**changes), rules, BOOTSTRAP)


def check(decision: Decision, code: str) -> Check:
    return next(check for check in decision.checks if check.code == code)


def test_a_better_challenger_within_every_limit_is_promoted() -> None:
    decision = ask()
    assert decision.result == "promoted"
    assert list(decision.reasons) == [check.code for check in decision.checks] == EVERY_CODE
    assert {check.outcome for check in decision.checks} == {"passed"}
    assert (decision.challenger, decision.reference) == ("challenger", "champion")
    assert (decision.queries, decision.users) == (200, 40)
    primary = check(decision, "primary")
    assert (primary.value, primary.low, primary.high) == pytest.approx((0.1, 0.1, 0.1))
    assert primary.text == "gain over champion +10.00% [+10.00%, +10.00%], must stay above +0.00%"


def test_against_a_baseline_there_is_no_freeze_to_compare() -> None:
    assert ask(reference="popularity", reference_freeze=None).result == "promoted"


def test_a_shown_loss_is_rejected() -> None:
    decision = ask(ours=LEVEL * 0.97, parent=LEVEL * 0.97)
    assert (decision.result, decision.reasons) == ("rejected", ("primary",))
    assert check(decision, "primary").high == pytest.approx(-0.03)


def test_a_gain_that_noise_may_explain_is_held() -> None:
    ours = LEVEL * 1.01 + NOISE
    decision = ask(ours=ours, parent=ours, slices={})
    assert (decision.result, decision.reasons) == ("held", ("primary",))
    primary = check(decision, "primary")
    assert primary.low < 0 < primary.high


def test_an_equal_challenger_is_held() -> None:
    decision = ask(ours=LEVEL, parent=LEVEL)
    assert (decision.result, decision.reasons) == ("held", ("primary",))
    assert check(decision, "primary").value == 0


@pytest.mark.parametrize(("gain", "result"), [(1.04, "rejected"), (1.06, "promoted")])
def test_the_gain_has_to_exceed_the_margin(gain: float, result: str) -> None:
    rules = replace(RULES, min_gain=0.05)
    assert ask(rules, ours=LEVEL * gain, parent=LEVEL * gain).result == result


def test_a_reference_that_finds_nothing_is_beaten_by_anything() -> None:
    decision = ask(theirs=np.zeros(len(USERS)))
    assert decision.result == "promoted"
    assert check(decision, "primary").low == MOST
    # Its slices have no relative change and are left out.
    assert list(decision.reasons) == ["primary", "baseline:item-knn", "compression", "coverage", "latency", "size"]


@pytest.mark.parametrize(
    ("baseline", "outcome"),
    [(LEVEL * 1.1, "passed"), (LEVEL * 1.1 + NOISE, "held"), (LEVEL * 1.2, "rejected")],
    ids=["as good", "nobody can tell", "better"],
)
def test_a_gain_on_a_stale_champion_is_not_enough_where_a_baseline_is_better(baseline: Any, outcome: str) -> None:
    decision = ask(baselines={"popularity": LEVEL * 0.5, "item-knn": baseline}, slices={})
    assert check(decision, "primary").outcome == check(decision, "baseline:popularity").outcome == "passed"
    assert check(decision, "baseline:item-knn").outcome == outcome
    assert check(decision, "baseline:item-knn").text.endswith("must stay above +0.00%")
    assert decision.result == ("promoted" if outcome == "passed" else outcome)


@pytest.mark.parametrize(("factor", "outcome"), [(0.995, "passed"), (0.98, "rejected")])
def test_compression_may_cost_a_little(factor: float, outcome: str) -> None:
    decision = ask(parent=LEVEL * 1.1 / factor)
    assert check(decision, "compression").outcome == outcome
    assert check(decision, "compression").limit == -0.01
    assert decision.result == ("promoted" if outcome == "passed" else outcome)
    assert decision.reasons == (("compression",) if outcome == "rejected" else tuple(EVERY_CODE))


def test_a_compression_loss_that_is_neither_shown_nor_refuted_is_held() -> None:
    decision = ask(parent=LEVEL * 1.1 + NOISE)
    assert (decision.result, decision.reasons) == ("held", ("compression",))


def test_a_slice_that_gets_worse_rejects_a_better_mean() -> None:
    ours = LEVEL * np.where(COLD, 0.7, 1.3)
    decision = ask(ours=ours, parent=ours)
    assert check(decision, "primary").outcome == "passed"
    assert (decision.result, decision.reasons) == ("rejected", ("slice:cold",))
    assert check(decision, "slice:cold").value == pytest.approx(-0.3)
    assert check(decision, "slice:warm").value == pytest.approx(0.3)


def test_a_slice_with_too_much_noise_is_held() -> None:
    ours = LEVEL * 1.3 + np.where(COLD, NOISE * 10, 0)
    ours[COLD] -= ours[COLD].mean() - LEVEL[COLD].mean()
    decision = ask(ours=ours, parent=ours)
    assert (decision.result, decision.reasons) == ("held", ("slice:cold",))


def test_a_small_slice_is_not_judged() -> None:
    ours = LEVEL * np.where(COLD, 0.7, 1.3)
    assert COLD.sum() == 50
    decision = ask(replace(RULES, min_slice_queries=51), ours=ours, parent=ours)
    assert decision.result == "promoted"
    assert "slice:cold" not in [check.code for check in decision.checks]
    assert ask(replace(RULES, min_slice_queries=50), ours=ours, parent=ours).result == "rejected"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"coverage": 0.44}, "coverage"),
        ({"coverage": np.nan}, "coverage"),
        ({"latency_p99_ms": 20.1}, "latency"),
        ({"latency_p99_ms": np.nan}, "latency"),
        ({"size_bytes": 1_000_001}, "size"),
    ],
)
def test_a_limit_that_is_broken_or_not_measured_rejects(change: dict[str, Any], code: str) -> None:
    decision = ask(**change)
    assert (decision.result, decision.reasons) == ("rejected", (code,))


@pytest.mark.parametrize("change", [{"coverage": 0.4501}, {"latency_p99_ms": 20.0}, {"size_bytes": 1_000_000}])
def test_a_limit_that_is_just_met_passes(change: dict[str, Any]) -> None:
    assert ask(**change).result == "promoted"


@pytest.mark.parametrize("whose", ["ours", "theirs", "parent"])
def test_quality_that_is_not_a_number_is_refused(whose: str) -> None:
    values = LEVEL.copy()
    values[7] = np.nan
    broken: dict[str, Any] = {whose: values}
    with pytest.raises(ValueError, match="finite values"):
        ask(**broken)


def test_every_reason_to_reject_is_named() -> None:
    decision = ask(ours=LEVEL * 0.8, parent=LEVEL, coverage=0.1, latency_p99_ms=99.0, size_bytes=9_999_999)
    assert decision.result == "rejected"
    assert list(decision.reasons) == EVERY_CODE


def test_a_refuted_check_outweighs_an_undecided_one() -> None:
    ours = LEVEL + NOISE
    decision = ask(ours=ours, parent=ours, slices={}, size_bytes=9_999_999)
    assert (decision.result, decision.reasons) == ("rejected", ("size",))
    assert check(decision, "primary").outcome == "held"


def test_the_champion_does_not_challenge_itself() -> None:
    decision = ask(challenger="champion")
    assert (decision.result, decision.reasons) == ("held", ("same_version",))
    assert [check.code for check in decision.checks] == ["same_version"]


def test_what_was_rolled_back_is_not_promoted_again() -> None:
    decision = ask(withdrawn=True)
    assert (decision.result, decision.reasons) == ("held", ("rolled_back",))


@pytest.mark.parametrize(
    ("rules", "change", "code"),
    [
        (replace(RULES, min_queries=201), {}, "too_few_queries"),
        (replace(RULES, min_users=41), {}, "too_few_users"),
        (RULES, {"reference_freeze": 1001}, "champion_saw_test"),
    ],
)
def test_too_little_evidence_is_insufficient(rules: Rules, change: dict[str, Any], code: str) -> None:
    decision = ask(rules, **change)
    assert (decision.result, decision.reasons) == ("insufficient", (code,))
    # Nothing is compared on such evidence.
    assert [check.code for check in decision.checks] == [code]


def test_just_enough_evidence_is_weighed() -> None:
    assert ask(replace(RULES, min_queries=200, min_users=40), reference_freeze=1000).result == "promoted"


def test_all_that_is_insufficient_is_named_and_outweighs_same_version() -> None:
    rules = replace(RULES, min_queries=201, min_users=41)
    decision = ask(rules, challenger="champion", reference_freeze=1001)
    assert decision.result == "insufficient"
    assert decision.reasons == ("too_few_queries", "too_few_users", "champion_saw_test")


def test_no_queries_at_all_are_insufficient() -> None:
    nothing, nobody = np.zeros(0), np.zeros(0, np.int64)
    decision = ask(users=nobody, ours=nothing, theirs=nothing, baselines={}, parent=nothing, slices={})
    assert decision.result == "insufficient"
    assert decision.reasons == ("too_few_queries", "too_few_users")


def test_the_same_evidence_is_the_same_decision() -> None:
    ours = LEVEL * 1.05 + NOISE
    assert ask(ours=ours) == ask(ours=ours)
