"""The page for people: the verdict on top, a row a column, Evidently's charts below when there are any."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from monitoring.drift import ColumnDrift, Drift
from monitoring.verdict import Result, Verdict

TITLES: Final[dict[Result, str]] = {
    "fine": "Fine: the current window looks like the reference",
    "drift": "Drift: the current window differs from the reference",
    "cannot_tell": "Cannot tell: there is no sound comparison of these windows",
}
COLORS: Final[dict[Result, str]] = {"fine": "#1b6e3c", "drift": "#a3320b", "cannot_tell": "#8a1c4a"}
BODY: Final = "<body>"
EMPTY: Final = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Podium drift</title></head>{BODY}</body></html>
"""
HEADINGS: Final = ("column", "PSI", "drifted", "reference mean", "current mean", "why not")


class PageError(RuntimeError):
    """Evidently's page has no place for the verdict."""


def render(verdict: Verdict, drift: Drift | None, windows: Mapping[str, str]) -> str:
    """One self-contained HTML page.

    Args:
        verdict: shown first, with all its reasons.
        drift: None when the windows could not be compared; its charts follow the table.
        windows: a description of each window by its name.

    Raises:
        PageError: Evidently wrote a page without a plain body tag.
    """
    page = (drift.html() if drift is not None else None) or EMPTY
    before, tag, after = page.partition(BODY)
    if not tag:
        raise PageError(f"Evidently's page must have a {BODY} for the verdict. Received: {page[:80]!r}")
    return before + tag + _banner(verdict, drift, windows) + after


def _banner(verdict: Verdict, drift: Drift | None, windows: Mapping[str, str]) -> str:
    reasons = "".join(f"<li><b>{escape(reason.code)}</b> {escape(reason.text)}</li>" for reason in verdict.reasons)
    spans = "".join(f"<p>{escape(name)}: {escape(text)}</p>" for name, text in windows.items())
    return (
        '<section style="font-family:sans-serif;padding:24px;max-width:1100px;margin:auto">'
        f'<h1 style="background:{COLORS[verdict.result]};color:#fff;padding:16px;margin:0 0 16px">'
        f"{escape(TITLES[verdict.result])}</h1><ul>{reasons}</ul>{spans}"
        f"{_table(drift.columns) if drift is not None else ''}</section>"
    )


def _table(columns: Mapping[str, ColumnDrift]) -> str:
    rows = "".join(_row(_cells(name, column), "td") for name, column in columns.items())
    return f'<table style="border-collapse:collapse">{_row(HEADINGS, "th")}{rows}</table>'


def _row(cells: Iterable[str], tag: str) -> str:
    style = "text-align:left;padding:4px 12px;border-bottom:1px solid #ccc"
    return "<tr>" + "".join(f'<{tag} style="{style}">{escape(cell)}</{tag}>' for cell in cells) + "</tr>"


def _cells(name: str, column: ColumnDrift) -> tuple[str, ...]:
    drifted = {True: "yes", False: "no", None: "cannot tell"}[column.drifted]
    psi, before, after = (_number(value) for value in (column.psi, column.reference_mean, column.current_mean))
    return name, psi, drifted, before, after, column.reason


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
