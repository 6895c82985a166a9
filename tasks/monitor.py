"""monitor: what was served lately against what was served before, as reports and a verdict."""

from pathlib import Path

import params
from monitoring.report import report
from monitoring.verdict import Verdict


def monitor(
    *,
    exposures: Path,
    reports: Path,
    reference: tuple[float, float],
    current: tuple[float, float],
    settings: params.Monitor,
    seed: int,
) -> Verdict:
    """Writes drift.html and drift.json into `reports`; see `monitoring.report.report`.

    Args:
        exposures: the exposure log's folder.
        reports: where the reports go.
        reference: start and end of the window that counts as normal, seconds since 1970-01-01 UTC.
        current: start and end of the window in question.
        settings: limits.
        seed: of the sample.
    """
    return report(
        exposures=exposures,
        reference=reference,
        current=current,
        reports=reports,
        min_rows=settings.min_rows,
        max_rows=settings.max_rows,
        psi_threshold=settings.psi_threshold,
        max_drifted_share=settings.max_drifted_share,
        max_fallback_share=settings.max_fallback_share,
        seed=seed,
    )
