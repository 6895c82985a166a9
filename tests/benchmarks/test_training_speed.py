"""What is made of the runs; the runs themselves are the benchmark."""

import pytest

from benchmarks.training_speed import Speed, results


def speed(per_second: float) -> Speed:
    return Speed([9.0, 1.0], per_second, parameters=5, peak_bytes=7)


def test_a_ratio_is_of_runs_that_stood_beside_each_other() -> None:
    # The machine slowed down to a half in the middle of it: 200 / 100, 120 / 60, 90 / 30.
    found = {
        (one.subject, one.metric): one
        for one in results([speed(200), speed(120), speed(90)], [speed(100), speed(60), speed(30)])
    }
    ratio = found["podium/transformer", "times as fast as rectools-sasrec"]
    assert (ratio.value, ratio.low, ratio.high) == (2, 2, 3)
    theirs = found["peer/rectools-sasrec", "interactions per second"]
    assert (theirs.value, theirs.low, theirs.high) == (60, 30, 100)


def test_each_run_needs_its_neighbour() -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(results([speed(1), speed(1)], [speed(1)]))
