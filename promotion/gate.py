"""The gate: does the challenger take the champion's place? A pure function of evidence and rules.

A challenger is promoted when all of these hold, the first four shown by the whole of a paired interval and not by a
mean:

    primary       its gain over the reference is above `min_gain`
    baseline      it loses nothing against each other baseline
    compression   its loss against its own float parent is within `max_compression_loss`
    slice         its loss on each slice that is large enough is within `max_slice_drop`
    coverage      its coverage is not lower by more than `max_coverage_drop`
    latency       its p99 is at most `latency_p99_ms`
    size          it is at most `size_limit_bytes`

What is shown to be false rejects it; what is neither shown nor refuted holds it back, more data may decide. The last
three are numbers without an interval and pass or reject. What the people in charge have gone back from is held: figures
did not tell them why. With too little evidence to ask at all the answer is `insufficient`. The reference is the
champion, re-scored on the same queries, or while there is none the baseline that is best on validation. Non-inferiority
by intervals: Walker and Nowacki 2011, "Understanding equivalence and noninferiority testing".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluation.significance import Bootstrap, Interval, Values

Result = Literal["promoted", "held", "rejected", "insufficient"]
Outcome = Literal["passed", "held", "rejected", "insufficient"]


@dataclass(frozen=True)
class Rules:
    """The margins; losses and drops are relative, 0.01 is one per cent."""

    min_queries: int
    min_users: int
    min_gain: float
    """The lower bound of the relative gain has to exceed it."""
    max_compression_loss: float
    max_coverage_drop: float
    max_slice_drop: float
    min_slice_queries: int
    """Smaller slices are not judged."""
    latency_p99_ms: float
    size_limit_bytes: int


@dataclass(frozen=True)
class Evidence:
    """What was measured, on the same n test queries for everyone."""

    challenger: str
    """Name or digest."""
    reference: str
    """The champion's, or the best baseline's."""
    withdrawn: bool
    """Whether the challenger was champion until somebody rolled it back."""
    users: npt.NDArray[np.integer]
    """[n] whose query it was."""
    ours: Values
    """[n] the challenger's primary metric."""
    theirs: Values
    """[n] the reference's."""
    baselines: Mapping[str, Values]
    """Name -> [n] that of each baseline besides challenger and reference."""
    parent: Values
    """[n] that of the float model the challenger was compressed from."""
    slices: Mapping[str, npt.NDArray[np.bool_]]
    """Name -> [n] which queries belong to it."""
    coverage: float
    """Of the challenger, 0..1."""
    reference_coverage: float
    latency_p99_ms: float
    size_bytes: int
    reference_freeze: int | None
    """Until when the champion has learned, seconds since 1970-01-01 UTC; None for a baseline."""
    test_start: int
    """When the test begins."""


@dataclass(frozen=True)
class Check:
    """One question to the evidence and its answer."""

    code: str
    outcome: Outcome
    text: str
    value: float
    low: float
    high: float
    limit: float


@dataclass(frozen=True)
class Decision:
    """The answer, and everything it rests on."""

    result: Result
    reasons: tuple[str, ...]
    """Codes of the checks that decided; of all checks when it was promoted."""
    checks: tuple[Check, ...]
    challenger: str
    reference: str
    queries: int
    users: int


def decide(evidence: Evidence, rules: Rules, bootstrap: Bootstrap) -> Decision:
    """Weighs the evidence by the rules."""
    checks = _sufficiency(evidence, rules)
    if not checks:
        checks = (
            _primary(evidence, rules, bootstrap),
            *_baselines(evidence, bootstrap),
            _compression(evidence, rules, bootstrap),
            *_slices(evidence, rules, bootstrap),
            _coverage(evidence, rules),
            _limit("latency", "p99 in ms", evidence.latency_p99_ms, rules.latency_p99_ms),
            _limit("size", "bytes", evidence.size_bytes, rules.size_limit_bytes),
        )
    result = _result(checks)
    decisive = "passed" if result == "promoted" else result
    return Decision(
        result=result,
        reasons=tuple(check.code for check in checks if check.outcome == decisive),
        checks=checks,
        challenger=evidence.challenger,
        reference=evidence.reference,
        queries=len(evidence.ours),
        users=len(np.unique(evidence.users)),
    )


def _result(checks: tuple[Check, ...]) -> Result:
    outcomes = {check.outcome for check in checks}
    worst: tuple[Result, ...] = ("insufficient", "rejected", "held")
    return next((outcome for outcome in worst if outcome in outcomes), "promoted")


def _sufficiency(evidence: Evidence, rules: Rules) -> tuple[Check, ...]:
    """The checks that fail before anything may be compared; none when all is well."""
    queries, users = len(evidence.ours), len(np.unique(evidence.users))
    found = []
    if evidence.challenger == evidence.reference:
        found.append(_flag("same_version", "held", "the challenger is the champion", 0, 0))
    elif evidence.withdrawn:
        text = "the challenger was champion and was rolled back; only another version may take the place"
        found.append(_flag("rolled_back", "held", text, 0, 0))
    if queries < rules.min_queries:
        text = f"{queries} test queries, at least {rules.min_queries} are needed"
        found.append(_flag("too_few_queries", "insufficient", text, queries, rules.min_queries))
    if users < rules.min_users:
        text = f"{users} test users, at least {rules.min_users} are needed"
        found.append(_flag("too_few_users", "insufficient", text, users, rules.min_users))
    if evidence.reference_freeze is not None and evidence.reference_freeze > evidence.test_start:
        text = "the champion learned from a part of this test, so it cannot be compared on it"
        found.append(_flag("champion_saw_test", "insufficient", text, evidence.reference_freeze, evidence.test_start))
    return tuple(found)


def _primary(evidence: Evidence, rules: Rules, bootstrap: Bootstrap) -> Check:
    gain = bootstrap.relative(evidence.ours, evidence.theirs, evidence.users)
    outcome: Outcome = "passed" if gain.low > rules.min_gain else "rejected" if gain.high < rules.min_gain else "held"
    return _interval("primary", outcome, f"gain over {evidence.reference[:12]}", gain, rules.min_gain)


def _baselines(evidence: Evidence, bootstrap: Bootstrap) -> list[Check]:
    changes = {
        name: bootstrap.relative(evidence.ours, theirs, evidence.users) for name, theirs in evidence.baselines.items()
    }
    return [_not_inferior(f"baseline:{name}", f"change from {name}", change, 0.0) for name, change in changes.items()]


def _compression(evidence: Evidence, rules: Rules, bootstrap: Bootstrap) -> Check:
    change = bootstrap.relative(evidence.ours, evidence.parent, evidence.users)
    return _not_inferior("compression", "change against the float parent", change, rules.max_compression_loss)


def _slices(evidence: Evidence, rules: Rules, bootstrap: Bootstrap) -> list[Check]:
    checks = []
    for name, inside in evidence.slices.items():
        ours, theirs, users = evidence.ours[inside], evidence.theirs[inside], evidence.users[inside]
        # A slice in which the reference finds nothing cannot get worse, and has no relative change.
        if inside.sum() < rules.min_slice_queries or not theirs.any():
            continue
        change = bootstrap.relative(ours, theirs, users)
        checks.append(_not_inferior(f"slice:{name}", f"change on slice {name}", change, rules.max_slice_drop))
    return checks


def _coverage(evidence: Evidence, rules: Rules) -> Check:
    limit = evidence.reference_coverage * (1 - rules.max_coverage_drop)
    outcome: Outcome = "passed" if evidence.coverage >= limit else "rejected"
    text = f"coverage {evidence.coverage:.3f}, at least {limit:.3f} is needed"
    return _flag("coverage", outcome, text, evidence.coverage, limit)


def _limit(code: str, what: str, value: float, limit: float) -> Check:
    # NaN passes no comparison, so an unmeasured value is refused and not waved through.
    outcome: Outcome = "passed" if value <= limit else "rejected"
    return _flag(code, outcome, f"{what} {value:,.4g}, at most {limit:,.4g} is allowed", value, limit)


def _not_inferior(code: str, text: str, change: Interval, margin: float) -> Check:
    outcome: Outcome = "passed" if change.low >= -margin else "rejected" if change.high < -margin else "held"
    return _interval(code, outcome, text, change, 0.0 - margin)  # -0.0 would be shown with its sign


def _interval(code: str, outcome: Outcome, text: str, interval: Interval, limit: float) -> Check:
    shown = f"{text} {interval.value:+.2%} [{interval.low:+.2%}, {interval.high:+.2%}], must stay above {limit:+.2%}"
    return Check(code, outcome, shown, interval.value, interval.low, interval.high, limit)


def _flag(code: str, outcome: Outcome, text: str, value: float, limit: float) -> Check:
    return Check(code, outcome, text, float(value), float(value), float(value), float(limit))
