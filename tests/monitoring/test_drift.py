import subprocess
import sys
from collections import Counter
from math import inf, log, nan

import numpy as np
import pandas as pd
import pytest

from monitoring.drift import Drift, DriftError, compare
from monitoring.windows import OWN, WATCHED

ROWS = 400
REPEATS = 40


def _table(seed: int, *, rows: int = ROWS, shift: dict[str, float] | None = None) -> pd.DataFrame:
    """All watched columns; `shift` moves a column by so many standard deviations."""
    rng = np.random.default_rng(seed)
    history = rng.lognormal(3, 1, rows).round()
    columns = {
        "top_score": rng.normal(0.6, 0.1, rows),
        "score_gap": rng.exponential(0.1, rows),
        "score_mean": 0.5 + 0.1 * rng.standard_t(2, rows),
        "history": history,
        "experience": np.log1p(history),
        "popularity_rank_mean": rng.uniform(1, 500, rows),
        "ignored": rng.poisson(0.3, rows).astype(float),
        "hour": rng.integers(0, 24, rows).astype(float),
        "fallback": rng.random(rows) < 0.05,
    }
    frame = pd.DataFrame(columns)[list(WATCHED)]
    sd = {"top_score": 0.1, "score_gap": 0.1, "score_mean": 0.1, "popularity_rank_mean": 144.0}
    for name, amount in (shift or {}).items():
        frame[name] += amount * sd[name]
    return frame


def _compare(reference: pd.DataFrame, current: pd.DataFrame, max_rows: int = 100_000, seed: int = 7) -> Drift:
    """Without `OWN`, all answers are of one version."""
    before, after = ({OWN: True} | dict(frame) for frame in (reference, current))
    tables = pd.DataFrame(before, reference.index), pd.DataFrame(after, current.index)
    return compare(*tables, psi_threshold=0.2, max_rows=max_rows, seed=seed)


def _only(reference: list[float], current: list[float], name: str = "ignored") -> Drift:
    return _compare(pd.DataFrame({name: reference}), pd.DataFrame({name: current}))


def test_psi_by_hand() -> None:
    drift = _only([0.0] * 300 + [1.0] * 100, [0.0] * 200 + [1.0] * 200)
    column = drift.columns["ignored"]
    assert column.psi == pytest.approx(0.25 * log(0.75 / 0.5) + 0.25 * log(0.5 / 0.25))
    assert (column.drifted, column.reference_mean, column.current_mean) == (True, 0.25, 0.5)
    assert (drift.share, drift.rows, type(column.psi), type(column.drifted)) == (1.0, (400, 400), float, bool)


def test_rare_values_are_tails_only_of_continuous_columns() -> None:
    """Two and one in 400 lie beyond the 99% point, and still count."""
    column = _only([0.0] * 398 + [1.0] * 2, [0.0] * 399 + [1.0]).columns["ignored"]
    assert column.psi == pytest.approx(0.0025 * log(0.005 / 0.0025) + 0.0025 * log(0.9975 / 0.995))


def test_the_threshold_decides() -> None:
    before, after = (pd.DataFrame({"hour": [0.0] * zeros + [1.0] * (400 - zeros), OWN: True}) for zeros in (300, 200))
    drifted = [compare(before, after, psi_threshold=at, max_rows=400, seed=1).columns["hour"] for at in (0.27, 0.28)]
    assert [column.drifted for column in drifted] == [True, False]


def test_resamples_of_one_distribution_seldom_alarm() -> None:
    population = _table(1, rows=20_000)
    alarms: Counter[str] = Counter()
    scores = 0
    for seed in range(REPEATS):
        before, after = (population.sample(ROWS, random_state=2 * seed + side) for side in (0, 1))
        drift = _compare(before, after)
        assert drift.judged == WATCHED
        alarms.update(name for name in drift.judged if drift.columns[name].drifted)
        scores += bool(drift.score_drift)
    assert max(alarms.values(), default=0) <= 2
    assert scores <= 3


@pytest.mark.parametrize("name", ["top_score", "score_mean", "popularity_rank_mean"])
def test_a_shift_of_one_standard_deviation_is_found_each_time(name: str) -> None:
    """The score mean has heavy tails: in bins that its outliers stretch, half of these shifts go unseen."""
    for seed in range(REPEATS):
        drift = _compare(_table(2 * seed)[[name]], _table(2 * seed + 1, shift={name: 1.0})[[name]])
        assert drift.columns[name].drifted, (seed, drift.columns[name])


def test_one_outlier_does_not_hide_a_shift() -> None:
    before, after = _table(1), _table(2, shift={"top_score": 1.0})
    before.loc[0, "top_score"] = 1e9
    assert _compare(before, after).columns["top_score"].drifted


def test_scores_are_listed_apart() -> None:
    drift = _compare(_table(1), _table(2, shift={"score_gap": 1.0, "popularity_rank_mean": 1.0}))
    assert drift.score_columns == ("top_score", "score_gap", "score_mean")
    assert drift.score_drift == ("score_gap",)
    assert drift.share == pytest.approx(2 / 9)


CANNOT_TELL = {
    "nothing known now": ([1.0, 2.0] * 200, [nan] * 400, "0 known values in the current window"),
    "nothing known before": ([nan] * 400, [1.0, 2.0] * 200, "0 known values in the reference window"),
    "no rows now": ([1.0, 2.0] * 200, [], "0 known values in the current window"),
    "no rows at all": ([], [], "0 known values in the reference window"),
    "one row": ([1.0, 2.0] * 200, [1.0], "1 known values in the current window"),
    "infinite now": ([1.0, 2.0] * 200, [1.0, inf] * 200, "infinite values in the current window"),
    "infinite before": ([-inf, 2.0] * 200, [1.0, 2.0] * 200, "infinite values in the reference window"),
    "constant": ([3.0] * 400, [3.0] * 400, "the same value 3 in every row of both windows"),
    "unknown more often": (
        [1.0, 2.0] * 200,
        [1.0, 2.0, nan, nan] * 100,
        "unknown in 0% of the reference rows and in 50%",
    ),
}


@pytest.mark.parametrize(("reference", "current", "reason"), CANNOT_TELL.values(), ids=CANNOT_TELL.keys())
@pytest.mark.parametrize("name", ["top_score", "ignored"])
def test_what_means_nothing_is_not_asked(name: str, reference: list[float], current: list[float], reason: str) -> None:
    drift = _only(reference, current, name)
    column = drift.columns[name]
    assert (column.psi, column.drifted, drift.share, drift.judged) == (None, None, None, ())
    assert reason in column.reason or (name == "top_score" and "the same score 3 in every row" in column.reason)
    assert drift.html() is None


@pytest.mark.parametrize("stuck", ["reference", "current"])
def test_a_stuck_score_cannot_tell_though_the_other_window_varies(stuck: str) -> None:
    lively = np.random.default_rng(1).normal(size=400).tolist()
    before, after = ([0.5] * 400, lively) if stuck == "reference" else (lively, [0.5] * 400)
    drift = _only(before, after, "score_mean")
    assert drift.columns["score_mean"].drifted is None
    assert f"the same score 0.5 in every row of the {stuck} window" in drift.columns["score_mean"].reason


def test_a_count_that_was_always_zero_can_drift() -> None:
    """Unlike a score, a count or a flag may rightly be constant, and leaving that value is a change."""
    assert _only([0.0] * 400, [0.0] * 200 + [1.0] * 200).columns["ignored"].drifted is True
    assert _only([0.0] * 400, [0.0] * 399 + [1.0]).columns["ignored"].drifted is False


def test_one_bad_column_does_not_silence_the_others() -> None:
    before, after = _table(1), _table(2, shift={"top_score": 1.0})
    after["score_gap"] = nan
    drift = _compare(before, after)
    assert (drift.columns["score_gap"].drifted, drift.columns["score_gap"].current_mean) == (None, None)
    assert drift.score_drift == ("top_score",)
    assert drift.share == pytest.approx(1 / 8)


def test_sampling_keeps_to_its_limit_and_seed() -> None:
    before, after = _table(1, rows=3000), _table(2, rows=2500)
    first, again, other = (_compare(before, after, max_rows=1000, seed=seed) for seed in (1, 1, 2))
    assert first.rows == (1000, 1000)
    assert first == again
    assert first != other
    assert _compare(before, after, max_rows=2500).rows == (2500, 2500)


def _versions(*blocks: tuple[float, int, bool]) -> pd.DataFrame:
    """Blocks of so many answers of our own version or another, whose scores are 0 and 1 with a share of ones."""
    rows = [(float(row < share * count), own) for share, count, own in blocks for row in range(count)]
    return pd.DataFrame(rows, columns=["top_score", OWN]).assign(ignored=np.arange(len(rows)) % 2)


def test_scores_are_compared_among_answers_of_one_version() -> None:
    before, after = _versions((0.25, 400, True)), _versions((1.0, 300, False), (0.5, 400, True))
    column = _compare(before, after).columns["top_score"]
    assert column.psi == pytest.approx(0.25 * log(0.75 / 0.5) + 0.25 * log(0.5 / 0.25))
    assert (column.drifted, column.reference_mean, column.current_mean) == (True, 0.25, 0.5)


def test_another_version_s_scores_are_no_drift() -> None:
    before, after = _versions((1.0, 300, False), (0.5, 400, True)), _versions((0.5, 400, True))
    drift = _compare(before, after)
    assert (drift.score_drift, drift.judged, drift.new_version) == ((), ("top_score", "ignored"), "")


@pytest.mark.parametrize(("window", "own"), [("reference", 0), ("reference", 199), ("current", 199)])
def test_scores_of_a_version_with_too_few_answers_are_left_out(window: str, own: int) -> None:
    mixed, whole = _versions((1.0, 500, False), (0.5, own, True)), _versions((0.5, 700, True))
    drift = _compare(mixed, whole) if window == "reference" else _compare(whole, mixed)
    assert (drift.judged, drift.scores_left_out) == (("ignored",), True)
    said = f"the {window} window has {own} answers of the version that serves now, 200 are needed"
    assert drift.new_version == drift.columns["top_score"].reason == said


def test_a_new_version_with_one_score_for_all_is_not_excused() -> None:
    drift = _compare(_versions((0.5, 400, False)), _versions((1.0, 400, True)))
    assert (drift.scores_left_out, drift.scores_judged) == (False, False)
    assert "the same score 1 in every row of the current window" in drift.columns["top_score"].reason


def test_few_answers_of_the_only_version_are_no_new_version() -> None:
    drift = _compare(_versions((0.5, 400, True)), _versions((0.5, 100, True)))
    assert (drift.new_version, drift.scores_left_out) == ("", False)


def test_inputs_stay_as_they_were() -> None:
    before, after = _table(1), _table(2)
    _compare(before, after)
    pd.testing.assert_frame_equal(before, _table(1))
    pd.testing.assert_frame_equal(after, _table(2))


def test_other_columns_are_refused() -> None:
    with pytest.raises(DriftError, match="same columns"):
        _compare(_table(1), _table(2).drop(columns="hour"))


def test_what_evidently_refuses_is_an_error() -> None:
    with pytest.raises(DriftError, match=r"Evidently refused columns \['ignored'\]"):
        _only([0.0, 5e-324] * 200, [0.0, 5e-324] * 200)


def test_the_page_is_one_file() -> None:
    page = _compare(_table(1), _table(2, shift={"top_score": 1.0})).html()
    assert page is not None
    assert "<body>" in page
    for loading in ('src="http', "src='http", "<link", "url(http"):
        assert loading not in page


def test_evidently_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, monitoring.report; sys.exit('evidently' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
