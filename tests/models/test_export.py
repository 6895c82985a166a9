from pathlib import Path

import numpy as np
import pytest

from models import export, retrieval, stored
from models.retrieval import Retrieval
from scoring import quantize
from scoring.tower import Tower
from tests.models import small

EXPORT = """
import sys
from pathlib import Path
import digest
from models import device, export, stored
from scoring import folder
from tests.models import small
device.prepare(seed=1, threads=2)
model = stored.read(Path(sys.argv[1]))
for precision in export.Precision:
    form, name = export.tower(model, small.features(), precision), precision.value
    folder.write(Path(sys.argv[2]) / name, form, model="x", name=name, items=small.SHAPE.num_items, freeze=1)
print(digest.of_folder(Path(sys.argv[2])), export.savedmodel_bytes(model, small.features(), k=5))
"""


@pytest.fixture(scope="module")
def model() -> Retrieval:
    return retrieval.build(small.SHAPE)


def test_the_float_export_says_what_keras_says(model: Retrieval) -> None:
    asked = small.queries()
    tower: Tower = export.tower(model, small.features(), export.Precision.FLOAT32)
    assert np.allclose(tower.query_vectors(asked), model.query_vectors(asked), atol=1e-5)
    expected = model.query_vectors(asked) @ model.item_vectors(small.features()).T
    assert np.allclose(tower.scores(asked), expected, atol=1e-5)


def test_int8_items_differ_by_at_most_half_a_scale() -> None:
    vectors = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    table, scales = quantize.quantize_rows(vectors)
    assert table.dtype == np.int8
    assert (np.abs(table * scales[:, None] - vectors) <= scales[:, None] / 2 + 1e-7).all()
    assert (np.abs(table).max(axis=1) == quantize.LARGEST_INT8).all()


def test_rows_of_zeros_stay_zeros() -> None:
    table, scales = quantize.quantize_rows(np.zeros((2, 3), np.float32))
    assert not table.any()
    assert scales.tolist() == [1.0, 1.0]


def test_an_export_is_the_same_bytes_in_every_process(model: Retrieval, tmp_path: Path) -> None:
    stored.write(model, tmp_path / "model")
    said = [small.python(EXPORT, str(tmp_path / "model"), str(tmp_path / name)) for name in ("one", "two")]
    assert said[0] == said[1]
    assert int(said[0].split()[1]) > 10_000
