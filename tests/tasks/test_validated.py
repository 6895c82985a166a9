from pathlib import Path

import numpy as np
import pytest

import digest
from evaluation.significance import Bootstrap
from models.variants import CONTROL, PARENT
from tasks.validated import Validated

BOOTSTRAP = Bootstrap(samples=200, confidence=0.95, seed=7)


@pytest.fixture
def validated() -> Validated:
    """The control gains from its epochs; what was trained on loses that again."""
    base = np.random.default_rng(3).uniform(0.2, 1.0, 400)
    values = {PARENT: base, CONTROL: base * 1.05, "pruned": base * 1.02, "int8": base * 0.99}
    return Validated(np.arange(400, dtype=np.int32) // 4, values)


def test_what_was_trained_on_is_held_to_the_control_as_well(validated: Validated) -> None:
    alone = validated.worst_low("pruned", BOOTSTRAP, trained_on=False)
    both = validated.worst_low("pruned", BOOTSTRAP, trained_on=True)
    assert alone == pytest.approx(0.02, abs=1e-9)
    assert both == pytest.approx(1.02 / 1.05 - 1, abs=1e-9)
    assert validated.change("int8", BOOTSTRAP).value == pytest.approx(-0.01, abs=1e-9)


def test_it_is_read_as_it_was_written(validated: Validated, tmp_path: Path) -> None:
    validated.write(tmp_path)
    found = Validated.read(tmp_path)
    assert np.array_equal(found.user, validated.user)
    assert list(found.values) == list(validated.values)
    assert all(np.array_equal(found.values[name], validated.values[name]) for name in found.values)
    written = digest.of_files(tmp_path)
    found.write(tmp_path)
    assert digest.of_files(tmp_path) == written
