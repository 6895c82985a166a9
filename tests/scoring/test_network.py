"""A network answers a row alike, whatever it is asked together with."""

from pathlib import Path

import numpy as np
import pytest

from scoring.forms import FormError
from scoring.network import FEW, Network
from tests.models import small

PROGRAM = """
import sys
from models import export, retrieval
from tests.models import small
tower = export.tower(retrieval.build(small.SHAPE), small.features())
open(sys.argv[1], "wb").write(tower.flatbuffer.tobytes())
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    path: Path = tmp_path_factory.mktemp("network") / "query_tower.tflite"
    small.python(PROGRAM, str(path))
    return Network(np.frombuffer(path.read_bytes(), np.uint8), path.name)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 9, 15, FEW, FEW + 1, 100])
def test_rows_do_not_depend_on_each_other(network: Network, rows: int) -> None:
    inputs = small.queries(100).inputs(small.SHAPE.history_length)
    whole = network.run(inputs)
    found = network.run({name: value[100 - rows :] for name, value in inputs.items()})
    assert found.shape == (rows, small.SHAPE.embedding_dim)
    np.testing.assert_allclose(found, whole[100 - rows :], atol=1e-6)


def test_no_rows_are_none(network: Network) -> None:
    inputs = small.queries(1).inputs(small.SHAPE.history_length)
    assert len(network.run({name: value[:0] for name, value in inputs.items()})) == 0


def test_what_is_no_flatbuffer_is_named() -> None:
    with pytest.raises(FormError, match=r"a\.tflite: LiteRT cannot read it"):
        Network(np.frombuffer(b"nonsense" * 8, np.uint8), "a.tflite")
