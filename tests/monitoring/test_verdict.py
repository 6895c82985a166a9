from dataclasses import replace

import pytest

from monitoring.drift import ColumnDrift, Drift
from monitoring.verdict import Verdict, judge
from monitoring.windows import Health

GOOD = Health(files=1, rows=500, torn=0, broken=0, missing_sequences=0)
CALM = ColumnDrift(0.05, 0.2, False, 1.0, 1.1)
MOVED = ColumnDrift(0.9, 0.2, True, 1.0, 2.0)
UNKNOWN = ColumnDrift(None, 0.2, None, None, None, "3 known values")


NEW = "the reference window has 3 answers of the version that serves now"
LEFT_OUT = replace(UNKNOWN, reason=NEW)


def _drift(new_version: str = "", /, **columns: ColumnDrift) -> Drift:
    judged = [column.drifted for column in columns.values() if column.drifted is not None]
    return Drift(columns, sum(judged) / len(judged) if judged else None, (500, 500), new_version)


FINE = _drift(top_score=CALM, score_gap=UNKNOWN, history=CALM, hour=MOVED)


def _judge(
    drift: Drift | None = FINE, fallbacks: float | None = 0.1, reference: Health = GOOD, current: Health = GOOD
) -> Verdict:
    limits = {"max_drifted_share": 0.5, "max_fallback_share": 0.5}
    return judge(reference, current, drift, fallbacks, min_rows=200, **limits)


def _codes(verdict: Verdict) -> tuple[str, ...]:
    return tuple(reason.code for reason in verdict.reasons)


def test_sound_and_calm_windows_are_fine_without_reasons() -> None:
    assert _judge() == Verdict("fine", ())


@pytest.mark.parametrize("rows", [0, 1, 199])
@pytest.mark.parametrize("window", ["reference", "current"])
def test_too_few_rows_in_either_window_cannot_tell(rows: int, window: str) -> None:
    few = replace(GOOD, rows=rows)
    verdict = _judge(reference=few) if window == "reference" else _judge(current=few)
    assert (verdict.result, _codes(verdict)) == ("cannot_tell", ("too_few_rows",))
    assert f"the {window} window has {rows} readable answers, 200" in verdict.reasons[0].text


def test_just_enough_rows_are_enough() -> None:
    assert _judge(current=replace(GOOD, rows=200)).result == "fine"


@pytest.mark.parametrize(
    ("field", "code"), [("torn", "torn_lines"), ("broken", "broken_lines"), ("missing_sequences", "missing_sequences")]
)
@pytest.mark.parametrize("window", ["reference", "current"])
def test_one_lost_line_in_either_window_cannot_tell(field: str, code: str, window: str) -> None:
    damaged = replace(GOOD, **{field: 1})
    verdict = _judge(reference=damaged) if window == "reference" else _judge(current=damaged)
    assert (verdict.result, _codes(verdict)) == ("cannot_tell", (code,))


def test_windows_that_were_not_compared_cannot_tell() -> None:
    assert _codes(_judge(drift=None)) == ("not_compared",)
    assert _judge(drift=None).result == "cannot_tell"


def test_no_judged_column_cannot_tell() -> None:
    verdict = _judge(drift=_drift(top_score=UNKNOWN, hour=UNKNOWN))
    assert (verdict.result, _codes(verdict)) == ("cannot_tell", ("no_column_judged",))
    assert "3 known values" in verdict.reasons[0].text


def test_no_columns_at_all_cannot_tell() -> None:
    assert _judge(drift=_drift()).result == "cannot_tell"


@pytest.mark.parametrize("drift", [_drift(top_score=UNKNOWN, hour=CALM), _drift(hour=CALM)], ids=["unknown", "absent"])
def test_calm_inputs_do_not_stand_in_for_scores(drift: Drift) -> None:
    verdict = _judge(drift=drift)
    assert (verdict.result, _codes(verdict)) == ("cannot_tell", ("no_score_judged",))


@pytest.mark.parametrize("name", ["top_score", "score_gap", "score_mean"])
def test_one_drifted_score_column_is_drift(name: str) -> None:
    calm = dict.fromkeys(("history", "experience", "hour", "ignored"), CALM)
    verdict = _judge(drift=_drift(**{name: MOVED}, **calm))
    assert (verdict.result, _codes(verdict)) == ("drift", ("score_drift",))
    assert f"{name}: PSI 0.900 reaches 0.2, mean 1 before and 2 now" in verdict.reasons[0].text


def test_the_share_must_be_above_its_limit() -> None:
    half = _drift(top_score=CALM, history=MOVED)
    more = _drift(top_score=CALM, history=MOVED, experience=MOVED)
    assert _judge(drift=half).result == "fine"
    assert (_judge(drift=more).result, _codes(_judge(drift=more))) == ("drift", ("drifted_share",))
    assert "67%" in _judge(drift=more).reasons[0].text


def test_columns_that_cannot_tell_do_not_dilute_the_share() -> None:
    unknown = dict.fromkeys(("hour", "ignored", "fallback", "popularity_rank_mean"), UNKNOWN)
    drift = _drift(top_score=CALM, history=MOVED, experience=MOVED, **unknown)
    assert _judge(drift=drift).result == "drift"


def test_fallbacks_above_the_limit_are_drift() -> None:
    assert _judge(fallbacks=0.5).result == "fine"
    assert (_judge(fallbacks=0.51).result, _codes(_judge(fallbacks=0.51))) == ("drift", ("fallback_share",))


def test_fallbacks_are_found_without_scores() -> None:
    verdict = _judge(drift=_drift(top_score=UNKNOWN, hour=CALM), fallbacks=1.0)
    assert (verdict.result, _codes(verdict)) == ("drift", ("fallback_share", "no_score_judged"))


def test_without_answers_there_is_no_fallback_share() -> None:
    assert (_judge(fallbacks=None).result, _codes(_judge(fallbacks=None))) == ("cannot_tell", ("no_fallback_share",))


def test_damage_outweighs_drift_and_both_are_named() -> None:
    verdict = _judge(drift=_drift(top_score=MOVED), current=replace(GOOD, broken=2), fallbacks=0.9)
    assert verdict.result == "cannot_tell"
    assert _codes(verdict) == ("broken_lines", "score_drift", "drifted_share", "fallback_share")


def test_a_new_version_is_fine_by_the_other_columns_and_named() -> None:
    verdict = _judge(drift=_drift(NEW, top_score=LEFT_OUT, score_gap=LEFT_OUT, hour=CALM))
    assert (verdict.result, _codes(verdict)) == ("fine", ("version_changed",))
    assert NEW in verdict.reasons[0].text


def test_a_new_version_hides_no_drift_of_the_other_columns() -> None:
    drift = _drift(NEW, top_score=LEFT_OUT, hour=CALM, history=MOVED, ignored=MOVED)
    assert (_judge(drift=drift).result, _codes(_judge(drift=drift))) == ("drift", ("drifted_share", "version_changed"))
    assert _judge(drift=_drift(NEW, top_score=LEFT_OUT, hour=CALM), fallbacks=0.9).result == "drift"


def test_a_new_version_excuses_no_other_gap() -> None:
    few = replace(GOOD, rows=3)
    assert _judge(drift=_drift(NEW, top_score=LEFT_OUT, hour=CALM), current=few).result == "cannot_tell"
    assert _judge(drift=_drift(NEW, top_score=LEFT_OUT, hour=UNKNOWN)).result == "cannot_tell"
    flawed = _judge(drift=_drift(NEW, top_score=UNKNOWN, hour=CALM))
    assert (flawed.result, _codes(flawed)) == ("cannot_tell", ("no_score_judged",))
