import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitoring.report import ReportError, report
from monitoring.verdict import Verdict
from tests.monitoring.answers import DAY, Record, changed, records, write

ROWS = 400
REFERENCE = (0.0, DAY)
CURRENT = (DAY, 2 * DAY)
LIMITS: dict[str, Any] = {
    "min_rows": 200,
    "max_rows": 100_000,
    "psi_threshold": 0.2,
    "max_drifted_share": 0.5,
    "max_fallback_share": 0.5,
    "seed": 7,
}


def _reference(folder: Path) -> None:
    write(folder, "1970-01-01-10.jsonl", records(ROWS, seed=1))


def _today(**values: float) -> list[Record]:
    return records(ROWS, seed=2, start=DAY, **values)


def _current(folder: Path, lines: list[Record]) -> Path:
    return write(folder, "1970-01-02-10.jsonl", lines)


def _report(tmp_path: Path, **changes: Any) -> tuple[Verdict, Any, str]:
    """The verdict, drift.json and drift.html."""
    settings = {"exposures": tmp_path / "log", "reports": tmp_path / "out", "reference": REFERENCE, "current": CURRENT}
    verdict = report(**{**LIMITS, **settings, **changes})
    summary = json.loads((tmp_path / "out" / "drift.json").read_text())
    return verdict, summary, (tmp_path / "out" / "drift.html").read_text()


def _codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_the_same_behaviour_is_fine(tmp_path: Path) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today())
    verdict, summary, html = _report(tmp_path)
    assert (verdict.result, verdict.reasons) == ("fine", ())
    assert "Fine: the current window looks like the reference" in html
    assert summary["verdict"] == {"result": "fine", "reasons": []}
    assert summary["current"]["health"] == {"broken": 0, "files": 2, "missing_sequences": 0, "rows": ROWS, "torn": 0}
    assert (summary["rows"], summary["score_drift"], len(summary["columns"])) == ([ROWS, ROWS], [], 9)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["drift.html", "drift.json"]


def test_the_summary_is_the_same_bytes_again_and_sorted(tmp_path: Path) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today(shift=0.1))
    _report(tmp_path)
    first = (tmp_path / "out" / "drift.json").read_bytes()
    _, summary, _ = _report(tmp_path)
    assert (tmp_path / "out" / "drift.json").read_bytes() == first
    assert first.decode() == json.dumps(summary, indent=2, sort_keys=True) + "\n"


def test_scores_one_standard_deviation_higher_are_drift(tmp_path: Path) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today(shift=0.1))
    verdict, summary, html = _report(tmp_path)
    assert (verdict.result, _codes(verdict)) == ("drift", ["score_drift", "score_drift"])
    assert summary["score_drift"] == ["top_score", "score_mean"]
    assert "Drift: the current window differs" in html
    assert html.index("score_drift") < html.index("drawDashboard")


def test_fallbacks_above_the_limit_are_drift(tmp_path: Path) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today(fallbacks=0.7))
    verdict, summary, _ = _report(tmp_path)
    assert verdict.result == "drift"
    assert "fallback_share" in _codes(verdict)
    assert summary["fallback_share"] == pytest.approx(0.7, abs=0.05)


def _with(lines: list[Record], values: Record) -> list[Record]:
    return [{**line, **values} for line in lines]


def _absent(folder: Path) -> None:
    assert not folder.exists()


def _empty(folder: Path) -> None:
    folder.mkdir()


def _empty_file(folder: Path) -> None:
    _reference(folder)
    _current(folder, [])


def _torn(folder: Path) -> None:
    _reference(folder)
    path = _current(folder, _today())
    path.write_bytes(path.read_bytes()[:-30])


def _garbage(folder: Path) -> None:
    _reference(folder)
    _current(folder, _today())
    (folder / "1970-01-02-11.jsonl").write_bytes(np.random.default_rng(1).bytes(10_000))


def _null_scores(folder: Path) -> None:
    _reference(folder)
    _current(folder, _with(_today(), {"scores": [None] * 5}))


def _stuck_scores(folder: Path) -> None:
    _reference(folder)
    _current(folder, _with(_today(), {"scores": [0.9, 0.8, 0.7, 0.6, 0.5]}))


def _one_row(folder: Path) -> None:
    _reference(folder)
    _current(folder, _today()[:1])


def _missing_key(folder: Path) -> None:
    _reference(folder)
    lines = _today()
    del lines[17]["scores"]
    _current(folder, lines)


def _lost_lines(folder: Path) -> None:
    _reference(folder)
    _current(folder, [line for line in _today() if line["sequence"] not in (40, 41)])


LOUD: dict[str, tuple[Callable[[Path], None], str]] = {
    "folder absent": (_absent, "unusable"),
    "empty folder": (_empty, "too_few_rows"),
    "empty file": (_empty_file, "too_few_rows"),
    "torn last line": (_torn, "torn_lines"),
    "binary garbage": (_garbage, "torn_lines"),
    "null scores": (_null_scores, "no_score_judged"),
    "stuck scores": (_stuck_scores, "no_score_judged"),
    "one row": (_one_row, "too_few_rows"),
    "missing key": (_missing_key, "broken_lines"),
    "lost lines": (_lost_lines, "missing_sequences"),
}


@pytest.mark.parametrize(("damage", "code"), LOUD.values(), ids=LOUD.keys())
def test_broken_input_is_loud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], code: str
) -> None:
    damage(tmp_path / "log")
    verdict, summary, html = _report(tmp_path)
    assert (verdict.result, summary["verdict"]["result"]) == ("cannot_tell", "cannot_tell")
    assert code in _codes(verdict)
    assert "<h1" in html
    assert "Cannot tell: there is no sound comparison" in html
    assert code in html
    assert any(entry.levelno == logging.ERROR for entry in caplog.records)


def test_a_promotion_is_no_drift(tmp_path: Path) -> None:
    """Another family of models scores on another scale; once both windows have enough of it, it is watched again."""
    new = {"version": "v2"}
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _with(_today(shift=5.0), new))
    verdict, summary, html = _report(tmp_path)
    assert (verdict.result, _codes(verdict), summary["score_drift"]) == ("fine", ["version_changed"], [])
    assert "the reference window has 0 answers of the version that serves now" in html
    later = (2 * DAY, 3 * DAY)
    for shift, result in ((5.0, "fine"), (5.1, "drift")):
        lines = records(ROWS, seed=3, start=2 * DAY, shift=shift)
        write(tmp_path / "log", "1970-01-03-10.jsonl", _with(lines, new))
        assert _report(tmp_path, reference=CURRENT, current=later)[0].result == result


def test_a_first_record_that_did_not_fit_is_forgotten_after_both_windows(tmp_path: Path) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today())
    (tmp_path / "log" / "1969-12-31-10-2.jsonl").write_bytes(b'{"sequence":0,"request')
    assert _report(tmp_path)[0].result == "fine"
    (tmp_path / "log" / "1970-01-01-10-2.jsonl").write_bytes(b'{"sequence":0,"request')
    assert _codes(_report(tmp_path)[0]) == ["torn_lines"]


def test_damage_outside_both_windows_is_not_theirs(tmp_path: Path) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today())
    later = write(tmp_path / "log", "1970-01-05-10.jsonl", records(5, seed=3, start=4 * DAY))
    later.write_bytes(later.read_bytes()[:-30])
    assert _report(tmp_path)[0].result == "fine"


@pytest.mark.parametrize(
    "current", [(DAY / 2, 2 * DAY), REFERENCE, (2 * DAY, DAY)], ids=["overlap", "same", "reversed"]
)
def test_windows_that_cannot_be_compared_are_loud(tmp_path: Path, current: tuple[float, float]) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today())
    verdict, summary, _ = _report(tmp_path, current=current)
    assert (verdict.result, _codes(verdict)[0]) == ("cannot_tell", "unusable")
    assert summary["rows"] is None


def test_what_evidently_refuses_is_loud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Between 0 and the smallest number there is no room for the bins of a histogram."""
    tiny = [5e-324, 0.0, 0.0, 0.0, 0.0]
    for start, name in ((0.0, "a.jsonl"), (DAY, "b.jsonl")):
        lines = records(ROWS, seed=1, start=start)
        write(
            tmp_path / "log", name, changed(lines, lambda line: {"scores": tiny if line["sequence"] % 2 else [0.0] * 5})
        )
    verdict, summary, html = _report(tmp_path)
    assert (verdict.result, _codes(verdict)) == ("cannot_tell", ["unusable", "not_compared"])
    assert "Evidently refused" in html
    assert "no comparison of" in caplog.text
    assert (summary["rows"], summary["current"]["health"]["rows"]) == (None, ROWS)


def test_a_log_file_that_cannot_be_read_is_loud(tmp_path: Path) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today())
    (tmp_path / "log" / "1970-01-02-12.jsonl").mkdir()
    verdict, _, html = _report(tmp_path)
    assert (verdict.result, _codes(verdict)[0]) == ("cannot_tell", "unusable")
    assert "1970-01-02-12.jsonl" in html


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    _, _, html = _report(tmp_path, exposures=tmp_path / "<script>alert(1)</script>")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_an_older_report_does_not_survive_a_blind_run(tmp_path: Path) -> None:
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today())
    assert _report(tmp_path)[0].result == "fine"
    _, summary, html = _report(tmp_path, exposures=tmp_path / "gone")
    assert summary["verdict"]["result"] == "cannot_tell"
    assert "Fine:" not in html


def test_other_errors_are_not_turned_into_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(FileExistsError):
        _report(tmp_path)


def test_a_mistake_of_the_caller_is_not_turned_into_a_verdict(tmp_path: Path) -> None:
    """A seed no generator takes is a ValueError, as WindowError is one, and yet no word about the windows."""
    _reference(tmp_path / "log")
    _current(tmp_path / "log", _today())
    with pytest.raises(ValueError, match="Seed must be between"):
        _report(tmp_path, seed=-1, max_rows=200)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_rows": 0},
        {"max_rows": 199},
        {"psi_threshold": 0.0},
        {"psi_threshold": float("nan")},
        {"max_drifted_share": 1.1},
        {"max_fallback_share": float("nan")},
        {"reference": (float("-inf"), 1.0)},
        {"current": (DAY, 1e15)},
    ],
    ids=str,
)
def test_limits_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ReportError, match="Received"):
        _report(tmp_path, **wrong)
    assert not (tmp_path / "out").exists()
