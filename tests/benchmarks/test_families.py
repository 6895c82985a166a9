"""What a model's figures are of, and where they stand."""

import numpy as np

from benchmarks import families, families_table
from benchmarks.quality import METRICS
from benchmarks.results import Result
from evaluation.significance import Bootstrap

USERS = np.array([0, 0, 1, 2], np.int32)


def rows(name: str, validation: list[float], seeds: list[list[float]]) -> dict[str, Result]:
    found = [dict.fromkeys(METRICS, np.array(values)) for values in seeds]
    return {row.metric: row for row in families.rows(name, validation, found, USERS, Bootstrap(200, 0.9, 1))}


def test_the_test_has_an_interval_over_users_and_validation_one_over_seeds() -> None:
    found = rows("some", [0.1, 0.3], [[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]])
    chosen, test = found[families_table.VALIDATION], found["ndcg_at_10"]
    assert (chosen.value, chosen.low, chosen.high) == (0.2, 0.1, 0.3)
    assert test.value == 0.375
    assert 0 <= test.low < test.value < test.high <= 1
    assert test.subject == chosen.subject == "podium/some"


def test_what_is_the_same_with_each_seed_has_no_span() -> None:
    chosen = rows("linear", [0.1, 0.1], [[1.0, 0.0, 0.0, 0.0]] * 2)[families_table.VALIDATION]
    assert chosen.low == chosen.value == chosen.high


def test_the_best_on_validation_stands_first_whatever_the_test_says() -> None:
    lucky = rows("lucky", [0.1], [[1.0, 1.0, 1.0, 1.0]])
    better = rows("better", [0.2, 0.4], [[0.5, 0.5, 0.5, 0.5]])
    assert families_table.alone([*lucky.values(), *better.values()]).splitlines()[2:] == [
        "| podium/better | 0.3000 | 0.2000 to 0.4000 | 0.5000 | 0.5000 | 0.5000 | 0.5000 to 0.5000 |",
        "| podium/lucky | 0.1000 | 0.1000 to 0.1000 | 1.0000 | 1.0000 | 1.0000 | 1.0000 to 1.0000 |",
    ]
