"""From an exposure folder to a verdict with its evidence: reports/drift.json for programs, drift.html for people.

A watcher that cannot see must say so. `WindowError` (and `DriftError`, which is one) means that the log is unreadable
or that the windows cannot be compared: it is logged as an error and becomes the verdict `cannot_tell`, in both files.
No other exception is turned into a verdict: a full disk or a mistake in the code ends the caller.
"""

import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

import durable
from monitoring import page, windows
from monitoring.drift import ColumnDrift, Drift, compare
from monitoring.verdict import Reason, Result, Verdict, judge
from monitoring.windows import Health, WindowError

logger = logging.getLogger(__name__)

UNREAD: Final = Health(files=0, rows=0, torn=0, broken=0, missing_sequences=0)
LEVELS: Final[dict[Result, int]] = {"fine": logging.INFO, "drift": logging.WARNING, "cannot_tell": logging.ERROR}
LATEST: Final = 253_402_300_799  # the last second a date can be printed for


class ReportError(ValueError):
    """A limit makes no sense; the message names it."""


class Window(msgspec.Struct, frozen=True):
    """A span of the log, seconds since 1970-01-01 UTC, start included, end not; and what was read of it."""

    start: float
    end: float
    health: Health


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """reports/drift.json."""

    format: int = 1
    reference: Window
    current: Window
    rows: tuple[int, int] | None
    """Rows compared, reference and current; None when the windows could not be compared."""
    columns: dict[str, ColumnDrift]
    score_columns: tuple[str, ...]
    score_drift: tuple[str, ...]
    drifted_share: float | None
    fallback_share: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Evidence:
    """What the verdict rests on."""

    reference: Health
    current: Health
    fallback_share: float | None
    """Of the current answers; None without answers."""
    drift: Drift | None
    """None when the windows could not be compared, for `trouble`."""
    trouble: tuple[Reason, ...]


def report(
    *,
    exposures: Path,
    reference: tuple[float, float],
    current: tuple[float, float],
    reports: Path,
    min_rows: int,
    max_rows: int,
    psi_threshold: float,
    max_drifted_share: float,
    max_fallback_share: float,
    seed: int,
) -> Verdict:
    """Compares two windows of the log and writes drift.html, then drift.json, into `reports`.

    Args:
        exposures: folder of *.jsonl.
        reference: start and end of the window that counts as normal, seconds since 1970-01-01 UTC.
        current: start and end of the window in question; the two must not overlap.
        reports: folder for the two files; made when absent.
        min_rows: see `monitoring.verdict.judge`, as are the next limits.
        max_rows: see `monitoring.drift.compare`, as are `psi_threshold` and `seed`.
        psi_threshold: PSI from which on a column has drifted.
        max_drifted_share: above it is drift.
        max_fallback_share: above it is drift.
        seed: of the sample.

    Raises:
        ReportError: a limit makes no sense.
    """
    _check_limits(min_rows, max_rows, psi_threshold, max_drifted_share, max_fallback_share)
    _check_times(*reference, *current)
    evidence = _gather(exposures, reference, current, psi_threshold=psi_threshold, max_rows=max_rows, seed=seed)
    verdict = judge(
        evidence.reference,
        evidence.current,
        evidence.drift,
        evidence.fallback_share,
        min_rows=min_rows,
        max_drifted_share=max_drifted_share,
        max_fallback_share=max_fallback_share,
    )
    verdict = Verdict(verdict.result, (*evidence.trouble, *verdict.reasons))
    _write(reports, Window(*reference, evidence.reference), Window(*current, evidence.current), evidence, verdict)
    logger.log(LEVELS[verdict.result], "drift verdict: %s %s", verdict.result, verdict.reasons)
    return verdict


def _gather(
    exposures: Path,
    reference: tuple[float, float],
    current: tuple[float, float],
    *,
    psi_threshold: float,
    max_rows: int,
    seed: int,
) -> Evidence:
    """Reads and compares as far as it goes; the one place where an error becomes evidence."""
    healths, share, drift = (UNREAD, UNREAD), None, None
    trouble: tuple[Reason, ...] = ()
    try:
        if reference[0] < current[1] and current[0] < reference[1]:
            raise WindowError(f"the windows must not overlap. Received: {reference} and {current}")
        log = windows.read(exposures, min(reference[0], current[0]), max(reference[1], current[1]))
        before, after = (windows.between(log.answers, *span) for span in (reference, current))
        healths = log.health(*reference), log.health(*current)
        share = float(after["fallback"].notna().mean()) if len(after) else None
        version = windows.newest_version(after)
        tables = windows.features(before, version), windows.features(after, version)
        drift = compare(*tables, psi_threshold=psi_threshold, max_rows=max_rows, seed=seed)
    except WindowError as error:
        logger.error("no comparison of %s and %s in %s: %s", reference, current, exposures, error)
        trouble = (Reason("unusable", str(error)),)
    return Evidence(*healths, share, drift, trouble)


def _check_limits(min_rows: int, max_rows: int, psi_threshold: float, *shares: float) -> None:
    if not 1 <= min_rows <= max_rows:
        raise ReportError(f"min_rows must be from 1 to max_rows. Received: {min_rows} and {max_rows}")
    if not 0 < psi_threshold < math.inf:
        raise ReportError(f"psi_threshold must be above 0. Received: {psi_threshold}")
    if not all(0 <= share <= 1 for share in shares):
        raise ReportError(f"max_drifted_share and max_fallback_share must be from 0 to 1. Received: {shares}")


def _check_times(*times: float) -> None:
    if not all(0 <= time <= LATEST for time in times):
        raise ReportError(f"a window's ends must be seconds since 1970-01-01, up to year 9999. Received: {times}")


def _write(reports: Path, reference: Window, current: Window, evidence: Evidence, verdict: Verdict) -> None:
    """The page first: a summary never stands beside an older page."""
    drift = evidence.drift
    spans = {"reference window": _describe(reference), "current window": _describe(current)}
    durable.write_bytes(reports / "drift.html", page.render(verdict, drift, spans).encode())
    summary = Summary(
        reference=reference,
        current=current,
        rows=drift.rows if drift else None,
        columns=drift.columns if drift else {},
        score_columns=drift.score_columns if drift else (),
        score_drift=drift.score_drift if drift else (),
        drifted_share=drift.share if drift else None,
        fallback_share=evidence.fallback_share,
        verdict=verdict,
    )
    durable.write_json(reports / "drift.json", summary)


def _describe(window: Window) -> str:
    start, end = (datetime.fromtimestamp(time, UTC).isoformat(" ", "seconds") for time in (window.start, window.end))
    health = window.health
    lost = f"{health.torn} torn, {health.broken} broken, {health.missing_sequences} missing"
    return f"{start} to {end}, {health.rows} answers from {health.files} files; lost: {lost}"
