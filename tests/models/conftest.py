"""How TensorFlow computes in these tests, whichever of them comes first."""

import pytest

from models import device


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    """Threads cannot be changed after the first operation, and every file that fits a model asks for two."""
    device.prepare(seed=7, threads=2)
