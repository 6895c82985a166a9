"""From counts and scores to one of three words. Pure: no file, no clock, no Evidently.

"Fine" needs evidence. Damaged logs, too few rows or columns that could not be compared are `cannot_tell`, which is as
loud as drift; a finding that stands without the missing evidence is still drift. One gap is no fault: a version that is
new has no scores of its own to be compared with. The other columns decide then, and `version_changed` says what was
left out, beside `fine` too; otherwise every promotion would be an alarm for as long as a window is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from monitoring.drift import Drift
from monitoring.windows import Health

Result = Literal["fine", "drift", "cannot_tell"]


@dataclass(frozen=True)
class Reason:
    """Why the verdict is not fine, or what it leaves out: a fixed code for programs, a sentence for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """The word and every reason that was found, the deciding ones first; when fine, at most `version_changed`."""

    result: Result
    reasons: tuple[Reason, ...]


def judge(
    reference_health: Health,
    current_health: Health,
    drift: Drift | None,
    fallback_share: float | None,
    *,
    min_rows: int,
    max_drifted_share: float,
    max_fallback_share: float,
) -> Verdict:
    """Decides.

    Args:
        reference_health: of the window that counts as normal.
        current_health: of the window in question.
        drift: None when the windows could not be compared.
        fallback_share: share of current answers that a fallback gave; None without answers.
        min_rows: fewer rows in either window are too few to tell.
        max_drifted_share: among the judged columns; above it is drift.
        max_fallback_share: above it is drift.
    """
    blind = (
        *_damage("reference", reference_health, min_rows),
        *_damage("current", current_health, min_rows),
        *_uncompared(drift, fallback_share),
    )
    findings = (*_drifted(drift, max_drifted_share), *_fallback(fallback_share, max_fallback_share))
    unsure = tuple(_scores_unknown(drift))
    reasons = (*blind, *findings, *unsure, *_version_changed(drift))
    if blind:
        return Verdict("cannot_tell", reasons)
    if findings:
        return Verdict("drift", reasons)
    return Verdict("cannot_tell" if unsure else "fine", reasons)


def _damage(window: str, health: Health, min_rows: int) -> Iterator[Reason]:
    """What makes a window's rows no evidence."""
    if health.rows < min_rows:
        yield Reason("too_few_rows", f"the {window} window has {health.rows} readable answers, {min_rows} are needed")
    if health.broken:
        yield Reason("broken_lines", f"the {window} window has {health.broken} lines that are no exposure record")
    if health.torn:
        yield Reason("torn_lines", f"the {window} window has {health.torn} last lines that stop in the middle")
    if health.missing_sequences:
        yield Reason("missing_sequences", f"the {window} window lacks {health.missing_sequences} numbered answers")


def _uncompared(drift: Drift | None, fallback_share: float | None) -> Iterator[Reason]:
    if drift is None:
        yield Reason("not_compared", "the two windows could not be compared")
    elif not drift.judged:
        reasons = "; ".join(f"{name}: {column.reason}" for name, column in drift.columns.items())
        yield Reason("no_column_judged", f"no column could be judged. {reasons}")
    if fallback_share is None:
        yield Reason("no_fallback_share", "the current window has no answers to count fallbacks in")


def _drifted(drift: Drift | None, limit: float) -> Iterator[Reason]:
    if drift is None:
        return
    for name in drift.score_drift:
        column = drift.columns[name]
        text = f"{name}: PSI {column.psi:.3f} reaches {column.threshold:g}, "
        means = f"mean {column.reference_mean:.4g} before and {column.current_mean:.4g} now"
        yield Reason("score_drift", text + means)
    if drift.share is not None and drift.share > limit:
        names = ", ".join(name for name in drift.judged if drift.columns[name].drifted)
        yield Reason("drifted_share", f"{drift.share:.0%} of the judged columns drifted, above {limit:.0%}: {names}")


def _fallback(share: float | None, limit: float) -> Iterator[Reason]:
    if share is not None and share > limit:
        yield Reason("fallback_share", f"a fallback gave {share:.1%} of the current answers, above {limit:.1%}")


def _scores_unknown(drift: Drift | None) -> Iterator[Reason]:
    """Without a single score column the model itself went unwatched, however calm its inputs are."""
    if drift is not None and drift.judged and not drift.scores_judged and not drift.scores_left_out:
        reasons = "; ".join(f"{name}: {drift.columns[name].reason}" for name in drift.score_columns)
        yield Reason("no_score_judged", f"no score column could be judged. {reasons or 'There is none.'}")


def _version_changed(drift: Drift | None) -> Iterator[Reason]:
    if drift is not None and drift.scores_left_out:
        yield Reason("version_changed", f"scores were not compared: {drift.new_version}")
