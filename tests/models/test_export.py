from pathlib import Path

import numpy as np
import pytest

from models import export, retrieval
from models.retrieval import Retrieval
from serving.runtime import Scoring
from serving.servable import read_model
from tests.models import small

EXPORT = """
import sys
from pathlib import Path
import digest
from models import device, export, retrieval
from tests.models import small
device.prepare(seed=1, threads=2)
model = retrieval.read(Path(sys.argv[1]))
for name, quantize in (("float32", False), ("int8", True)):
    export.export(
        Path(sys.argv[2]) / name, name=name, model=model, features=small.features(), freeze=1, quantize=quantize
    )
print(digest.of_folder(Path(sys.argv[2])), export.savedmodel_bytes(model, small.features(), k=5))
"""


@pytest.fixture(scope="module")
def model() -> Retrieval:
    return retrieval.build(small.SHAPE)


def exported(model: Retrieval, folder: Path, *, quantize: bool) -> Scoring:
    export.export(folder, name="x", model=model, features=small.features(), freeze=1, quantize=quantize)
    return Scoring(read_model(folder))


def test_the_float_export_says_what_keras_says(model: Retrieval, tmp_path: Path) -> None:
    asked = small.queries()
    scoring = exported(model, tmp_path, quantize=False)
    assert np.allclose(scoring.vectors(asked), model.query_vectors(asked), atol=1e-5)
    expected = model.query_vectors(asked) @ model.item_vectors(small.features()).T
    assert np.allclose(scoring.scores(asked), expected, atol=1e-5)


def test_int8_items_differ_by_at_most_half_a_scale() -> None:
    vectors = np.random.default_rng(3).normal(size=(40, 8)).astype(np.float32)
    table, scales = export.quantize_rows(vectors)
    assert table.dtype == np.int8
    assert (np.abs(table * scales[:, None] - vectors) <= scales[:, None] / 2 + 1e-7).all()
    assert (np.abs(table).max(axis=1) == export.LARGEST_INT8).all()


def test_rows_of_zeros_stay_zeros() -> None:
    table, scales = export.quantize_rows(np.zeros((2, 3), np.float32))
    assert not table.any()
    assert scales.tolist() == [1.0, 1.0]


def test_an_export_is_the_same_bytes_in_every_process(model: Retrieval, tmp_path: Path) -> None:
    retrieval.write(model, tmp_path / "model")
    said = [small.python(EXPORT, str(tmp_path / "model"), str(tmp_path / name)) for name in ("one", "two")]
    assert said[0] == said[1]
    assert int(said[0].split()[1]) > 10_000
