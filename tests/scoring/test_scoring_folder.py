"""Forms on disk and back, and what is refused."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy import sparse

from dataset.query import Queries, Timelines
from scoring import folder
from scoring.autoencoder import Autoencoder
from scoring.blend import Blend, standardized
from scoring.folded import Folded
from scoring.forms import Form, FormError, faded
from scoring.neighbours import Neighbours
from scoring.pooled import Pooled
from scoring.popular import Popular
from scoring.quantize import quantized
from scoring.tables import Table
from scoring.user_neighbours import UserNeighbours
from tests.scoring.stages import two_stage

ITEMS = 6
RNG = np.random.default_rng(4)
DENSE = RNG.normal(size=(ITEMS, ITEMS)).astype(np.float32)
BIAS = RNG.normal(size=ITEMS).astype(np.float32)
SPARSE = sparse.csr_array(np.where(DENSE > 0.3, DENSE, 0))
LINES = Timelines(np.array([0, 0, 3, 7], np.int64), np.array([2, 3, 4, 5, 2, 5, 3], np.int32), np.arange(7))
ASKED = Queries(
    LINES, np.array([0, 1, 2, 2], np.int32), np.array([0, 3, 4, 2]), np.full(4, 99), np.full(4, 2, np.int32)
)
NEIGHBOURS = Neighbours(DENSE, BIAS, 2.0, 3)
POOLED = Pooled(Table(DENSE[:, :4]), Table(DENSE[:, 2:]), BIAS, 2.0, 3)
FOLDED = Folded(Table(DENSE[:, :3]), l2=0.5, alpha=2.0, half_life=np.inf, longest=3)
AUTOENCODER = Autoencoder(
    read=Table(DENSE[:, :4]),
    read_bias=BIAS[:4],
    mean=DENSE[:4, :2],
    mean_bias=BIAS[:2],
    back=DENSE[:2, :4],
    back_bias=BIAS[2:],
    vectors=Table(DENSE[:, 2:]),
    bias=BIAS,
    half_life=1.0,
    longest=3,
)
FORMS: dict[str, Form] = {
    "popular": Popular(BIAS),
    "dense": NEIGHBOURS,
    "sparse": Neighbours(SPARSE, BIAS, np.inf, 10),
    "int8": quantized(NEIGHBOURS) or NEIGHBOURS,
    "users": UserNeighbours(sparse.csr_array((SPARSE > 0).astype(np.float32)), 2, 1.0, 3.0, 4),
    "pooled": POOLED,
    "pooled-int8": quantized(POOLED) or POOLED,
    "pooled-one-table": Pooled(Table(DENSE[:, :4]), None, BIAS, np.inf, 3),
    "folded": FOLDED,
    "folded-int8": quantized(FOLDED) or FOLDED,
    "autoencoder": AUTOENCODER,
    "autoencoder-int8": quantized(AUTOENCODER) or AUTOENCODER,
    "blend": Blend([NEIGHBOURS, Popular(BIAS)], [0, 3], np.array([[0, 1], [0.7, 0.3]], np.float32)),
    "two-stage": two_stage(Popular(np.arange(8, dtype=np.float32)), candidates=3, embedding_dim=2),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_comes_back_and_scores_the_same(name: str, tmp_path: Path) -> None:
    for place in ("one", "two"):
        folder.write(tmp_path / place, FORMS[name], model="m", name="v", items=ITEMS, freeze=5)
    manifest, found = folder.read(tmp_path / "one")
    assert (manifest.model, manifest.name, manifest.items, manifest.freeze) == ("m", "v", ITEMS, 5)
    np.testing.assert_array_equal(found.scores(ASKED), FORMS[name].scores(ASKED))
    assert folder.files(manifest) == {path.name for path in (tmp_path / "one").iterdir()}
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("name", FORMS)
def test_chunks_do_not_change_scores(name: str) -> None:
    whole = FORMS[name].scores(ASKED)
    parts = np.concatenate([FORMS[name].scores(ASKED[row : row + 1]) for row in range(len(ASKED))])
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_fading_by_hand() -> None:
    # User 2 took 5, 2, 5, 3: ages 3, 2, 1, 0, three of which are read.
    weights = faded(ASKED[2:3], half_life=1.0, longest=3, items=ITEMS).toarray()
    assert weights.tolist() == [[0, 0, 0.25, 1, 0, 0.5]]
    again = faded(ASKED[2:3], half_life=1.0, longest=4, items=ITEMS).toarray()
    assert again[0, 5] == 0.625
    once = faded(ASKED[2:3], half_life=1.0, longest=4, items=ITEMS, distinct=True).toarray()
    assert once[0, 5] == 0.5


@pytest.mark.parametrize(
    ("float32", "int8", "tables"),
    [
        ("dense", "int8", ["weights"]),
        ("pooled", "pooled-int8", ["vectors", "read"]),
        ("folded", "folded-int8", ["factors"]),
        ("autoencoder", "autoencoder-int8", ["read", "vectors"]),
    ],
)
def test_eight_bits_are_four_times_smaller_and_close(float32: str, int8: str, tables: list[str]) -> None:
    wide, narrow = (FORMS[name].arrays() for name in (float32, int8))
    for name in tables:
        assert narrow[name].nbytes == wide[name].nbytes / 4
    exact, rounded = (FORMS[name].scores(ASKED) for name in (float32, int8))
    np.testing.assert_allclose(rounded, exact, atol=0.05)
    assert not np.array_equal(rounded, exact)
    assert quantized(FORMS[int8]) is None


@pytest.mark.parametrize("name", ["popular", "sparse", "users", "blend"])
def test_what_has_no_dense_table_stays_as_it_is(name: str) -> None:
    assert quantized(FORMS[name]) is None


def test_a_pooled_history_by_hand() -> None:
    # User 2 took 5, 2, 5, 3 and three of them are read, the newest first: 3, 5, 2.
    mean = (DENSE[3, 2:] + 0.5**0.5 * DENSE[5, 2:] + 0.5 * DENSE[2, 2:]) / (1.5 + 0.5**0.5)
    np.testing.assert_allclose(POOLED.scores(ASKED)[2], DENSE[:, :4] @ mean + BIAS, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(POOLED.scores(ASKED)[0], BIAS)


def test_an_autoencoder_by_hand() -> None:
    # User 2 took 5, 2, 5, 3 and three of them are read, the newest first: 3, 5, 2.
    weight = np.zeros(ITEMS)
    weight[[3, 5, 2]] = 1, 0.5, 0.25
    hidden = np.tanh(weight / np.linalg.norm(weight) @ DENSE[:, :4] + BIAS[:4])
    back = np.tanh((hidden @ DENSE[:4, :2] + BIAS[:2]) @ DENSE[:2, :4] + BIAS[2:])
    np.testing.assert_allclose(AUTOENCODER.scores(ASKED)[2], DENSE[:, 2:] @ back + BIAS, rtol=1e-4, atol=1e-5)
    empty = np.tanh((np.tanh(BIAS[:4]) @ DENSE[:4, :2] + BIAS[:2]) @ DENSE[:2, :4] + BIAS[2:])
    np.testing.assert_allclose(AUTOENCODER.scores(ASKED)[0], DENSE[:, 2:] @ empty + BIAS, rtol=1e-4, atol=1e-5)


def test_a_blend_by_hand() -> None:
    blend = FORMS["blend"].scores(ASKED)
    linear, popular = standardized(NEIGHBOURS.scores(ASKED)), standardized(Popular(BIAS).scores(ASKED))
    np.testing.assert_allclose(blend[0], popular[0], rtol=1e-6)
    np.testing.assert_allclose(blend[1], 0.7 * linear[1] + 0.3 * popular[1], rtol=1e-5)
    np.testing.assert_allclose(blend[3], popular[3], rtol=1e-6)


def test_scores_that_tell_nothing_apart_become_zeros() -> None:
    rows = standardized(np.array([[3, 3, 3], [1, 2, 3]], np.float32))
    assert rows[0].tolist() == [0, 0, 0]
    assert rows[1].mean() == pytest.approx(0, abs=1e-7)
    assert rows[1].std() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("dense", {"kind": "magic"}, "kind must be one of"),
        ("dense", {"format": 1}, "format must be 4"),
        ("dense", {"settings": {}}, "a setting is missing"),
        ("dense", {"arrays": ["bias"]}, "weights-data: is missing"),
        ("dense", {"arrays": ["bias", "gone"]}, "cannot be read"),
        ("users", {"settings": {"neighbours": 2, "shrink": 1.0, "half_life": None}}, "a setting is missing"),
        ("folded", {"settings": {"l2": 0, "alpha": 1, "half_life": None, "longest": 3}}, "l2 must be positive"),
        ("blend", {"settings": {"steps": [1, 3], "parts": []}}, "weights: must be finite"),
        ("two-stage", {"settings": {"candidates": 3}}, "a setting is missing"),
    ],
)
def test_a_wrong_manifest_is_refused(name: str, change: dict[str, object], says: str, tmp_path: Path) -> None:
    folder.write(tmp_path, FORMS[name], model="m", name="v", items=ITEMS, freeze=5)
    path = tmp_path / folder.MANIFEST
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | change))
    with pytest.raises(FormError, match=says):
        folder.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "value", "says"),
    [
        ("dense", "bias", np.full(ITEMS, np.nan, np.float32), "bias: must be finite"),
        ("dense", "bias", BIAS[:-1], "weights: shape must be"),
        ("dense", "weights", DENSE[0], "weights: must have 2 dimensions"),
        ("int8", "scales", BIAS[:-1], "scales: shape must be"),
        ("sparse", "weights-indices", np.full(SPARSE.nnz, ITEMS, np.int32), "weights: is no sparse matrix"),
        ("users", "taken-shape", np.array([0, ITEMS]), "taken: is no sparse matrix"),
        ("pooled", "bias", BIAS[:-1], "vectors: must have 5 rows"),
        ("pooled", "read", DENSE[:, :3], "read: shape must be"),
        ("pooled", "vectors", DENSE.astype(np.int8)[:, :4], "vectors: must have 2 dimensions and kind f"),
        ("pooled-int8", "read-scales", BIAS[:-1], "read-scales: shape must be"),
        ("folded", "factors", np.full((ITEMS, 3), np.inf, np.float32), "factors: must be finite"),
        ("autoencoder", "mean", DENSE[:4, :3], "mean: shape must be"),
        ("autoencoder", "vectors", DENSE[:, :3], "vectors: shape must be"),
        ("popular", "counts", np.zeros(3, np.int32), "counts: must have 1 dimensions and kind f"),
        ("blend", "weights", np.ones((1, 2), np.float32), "weights: must be finite"),
        ("blend", "0-bias", BIAS[:-1], "weights: shape must be"),
    ],
)
def test_a_wrong_array_is_refused(name: str, array: str, value: np.ndarray, says: str, tmp_path: Path) -> None:
    folder.write(tmp_path, FORMS[name], model="m", name="v", items=ITEMS, freeze=5)
    np.save(tmp_path / f"{array}.npy", value)
    with pytest.raises(FormError, match=says):
        folder.read(tmp_path)


def test_nobody_to_compare_with_is_refused() -> None:
    nobody = UserNeighbours(sparse.csr_array((0, ITEMS), dtype=np.float32), 2, 1.0, 3.0, 4)
    with pytest.raises(FormError, match="at least one user"):
        UserNeighbours.of(nobody.arrays(), nobody.settings())


def test_what_gzip_saves_a_tenth_of_is_gzipped(tmp_path: Path) -> None:
    """Few levels are, noise is not, and neither is what is small."""
    large = RNG.normal(size=(100, 100)).astype(np.float32)
    few = np.rint(large).clip(-3, 3).astype(np.int8)
    for name, weights, scales in (("noise", large, None), ("few", few, np.ones(100, np.float32))):
        form = Neighbours(weights, np.zeros(100, np.float32), 2.0, 3, scales)
        folder.write(tmp_path / name, form, model="m", name="v", items=100, freeze=5)
        manifest, found = folder.read(tmp_path / name)
        np.testing.assert_array_equal(found.arrays()["weights"], weights)
        assert manifest.gzipped == (["weights"] if name == "few" else [])
        assert folder.files(manifest) == {path.name for path in (tmp_path / name).iterdir()}
    assert (tmp_path / "few/weights.npy.gz").stat().st_size < few.nbytes / 2


def test_a_torn_gzip_file_is_refused(tmp_path: Path) -> None:
    few = np.rint(RNG.normal(size=(100, 100))).astype(np.float32)
    folder.write(tmp_path, Neighbours(few, few[0], 2.0, 3), model="m", name="v", items=100, freeze=5)
    path = tmp_path / "weights.npy.gz"
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], whole[:40] + b"x" * 40 + whole[80:], b""):
        path.write_bytes(torn)
        with pytest.raises(FormError, match="cannot be read"):
            folder.read(tmp_path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    folder.write(tmp_path, FORMS["popular"], model="m", name="v", items=ITEMS, freeze=5)
    np.save(tmp_path / "counts.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(FormError, match="cannot be read"):
        folder.read(tmp_path)
