"""The index finds what the exact product finds, keeps k under filters, and is one copy in memory for all processes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np
import pytest

import digest
from benchmarks.vectors import alike
from dataset.query import Floats, Longs
from highest import LOWEST, NOTHING, highest
from scoring.forms import FormError
from scoring.nearest import FILES, HEAD, LISTS, TABLE, Nearest, Settings

ROOT = Path(__file__).parents[2]
ITEMS = 20_000
K = 10
SETTINGS = Settings(exact_up_to=0, lists=4.0, probes=96, candidates=4, sample=24)
VECTORS, QUERIES = alike(ITEMS, 200, 64, 3)
READER = """
import json, sys
from pathlib import Path
import numpy as np
from scoring.nearest import Nearest
nearest = Nearest.read(Path(sys.argv[1]))
items, _ = nearest.search(np.load(sys.argv[2]), 10)
maps, name = {}, ""
for line in open("/proc/self/smaps"):
    words = line.split()
    if not words[0].endswith(":"):
        name = Path(words[-1]).name
    elif name in ("lists.faiss", "table.npy"):
        of = maps.setdefault(name, {})
        of[words[0]] = of.get(words[0], 0) + int(words[1]) if words[1].isdigit() else 0
print(json.dumps({"items": items.tolist(), "maps": maps}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the vectors, kept."""
    path = tmp_path_factory.mktemp("nearest")
    Nearest.build(VECTORS, SETTINGS, seed=5).write(path)
    return path


@pytest.fixture(scope="module")
def nearest(folder: Path) -> Nearest:
    return Nearest.read(folder)


def exact(queries: Floats, table: Floats, allowed: "np.ndarray[Any, np.dtype[np.bool_]]", k: int = K) -> Longs:
    """By the product with every item."""
    scores = np.where(allowed, queries @ table.T, np.float32(LOWEST))
    return highest(scores, k, np.arange(len(table)))[0]


def recall(found: Longs, right: Longs) -> float:
    """Of what there is."""
    there = right != NOTHING
    return float(((found[:, :, None] == right[:, None, :]).any(axis=1) & there).sum() / there.sum())


def with_settings(nearest: Nearest, **changes: Any) -> Nearest:
    return Nearest(msgspec.structs.replace(nearest.settings, **changes), nearest.table, nearest._lists)


def test_it_finds_nearly_all_that_the_exact_product_finds(nearest: Nearest) -> None:
    found, scores = nearest.search(QUERIES, K)
    assert found.shape == scores.shape == (200, K)
    assert recall(found, exact(QUERIES, VECTORS, np.ones(ITEMS, bool))) >= 0.98
    # The control: fewer lists hold less.
    assert recall(with_settings(nearest, probes=1).search(QUERIES, K)[0], found) < 0.7


def test_scores_are_the_products_with_the_table_best_first(nearest: Nearest) -> None:
    found, scores = nearest.search(QUERIES, K)
    products = np.einsum("nd,nkd->nk", QUERIES, nearest.table[found].astype(np.float32))
    np.testing.assert_allclose(scores, products, atol=1e-6)
    assert (np.diff(scores) <= 0).all()


def test_the_lower_index_comes_first_among_equals() -> None:
    vectors = np.repeat(VECTORS[:400], 3, axis=0)
    found, scores = Nearest.build(vectors, SETTINGS, seed=5).search(QUERIES[:50], 9)
    assert (np.diff(found, axis=1)[np.diff(scores) == 0] > 0).all()
    assert (np.diff(scores) == 0).sum() >= 50 * 4


@pytest.mark.parametrize("share", [0.5, 0.05, 0.002])
@pytest.mark.parametrize("together", [False, True], ids=["anywhere", "together"])
def test_a_filter_loses_neither_k_nor_recall(nearest: Nearest, share: float, together: bool) -> None:
    """Items that lie together are mostly far from a query: the lists it is nearest to hold none of them."""
    allowed = np.random.default_rng(6).random(ITEMS) < share
    if together:
        allowed = np.argsort(np.argsort(VECTORS[:, 0])) < share * ITEMS
    found, _ = nearest.search(QUERIES, K, allowed)
    assert allowed[found].all()
    assert (np.diff(np.sort(found), axis=1) > 0).all()
    assert recall(found, exact(QUERIES, VECTORS, allowed)) >= 0.98


def test_what_was_seen_is_left_out_and_k_remain(nearest: Nearest) -> None:
    """Of each query, the best 100 but the third; some of them twice."""
    everything = np.ones(ITEMS, bool)
    right = exact(QUERIES[:70], VECTORS, everything, 120)
    seen = np.concatenate([np.delete(right[:, :100], 2, axis=1), right[:, :1]], axis=1)
    rows = np.repeat(np.arange(70), seen.shape[1])
    found, scores = nearest.search(QUERIES[:70], K, seen=(rows, seen.reshape(-1).astype(np.int32)))
    assert np.isfinite(scores).all()
    assert not (found[:, :, None] == seen[:, None, :]).any()
    assert recall(found, np.concatenate([right[:, 2:3], right[:, 100:109]], axis=1)) >= 0.95


@pytest.mark.parametrize("exact_up_to", [0, ITEMS])
def test_with_fewer_than_k_all_are_found_and_nothing_fills_up(nearest: Nearest, exact_up_to: int) -> None:
    allowed = np.zeros(ITEMS, bool)
    allowed[[7, 11, 13_000, 19_999]] = True
    seen = np.array([0, 1, 1]), np.array([7, 11, 3], np.int32)
    found, scores = with_settings(nearest, exact_up_to=exact_up_to).search(QUERIES[:3], K, allowed, seen)
    left = [{11, 13_000, 19_999}, {7, 13_000, 19_999}, {7, 11, 13_000, 19_999}]
    for row, items in enumerate(left):
        assert set(found[row, : len(items)]) == items
        assert (found[row, len(items) :] == NOTHING).all()
        assert np.isneginf(scores[row, len(items) :]).all()


@pytest.mark.parametrize("exact_up_to", [0, ITEMS])
def test_where_nothing_is_allowed_nothing_is_found(nearest: Nearest, exact_up_to: int) -> None:
    found, scores = with_settings(nearest, exact_up_to=exact_up_to).search(QUERIES[:2], 3, np.zeros(ITEMS, bool))
    assert (found == NOTHING).all()
    assert np.isneginf(scores).all()


@pytest.mark.parametrize("share", [1.0, 0.01])
def test_up_to_the_size_that_is_set_it_is_the_exact_product(nearest: Nearest, share: float) -> None:
    allowed = np.random.default_rng(6).random(ITEMS) < share
    found, scores = with_settings(nearest, exact_up_to=ITEMS).search(QUERIES, K, allowed)
    table = nearest.table.astype(np.float32)
    assert found.tolist() == exact(QUERIES, table, allowed).tolist()
    np.testing.assert_allclose(scores, np.take_along_axis(QUERIES @ table.T, found, axis=1), atol=1e-6)


def test_one_query_is_answered_as_among_others(nearest: Nearest) -> None:
    found, _ = nearest.search(QUERIES, K)
    assert [nearest.search(QUERIES[row : row + 1], K)[0][0].tolist() for row in (0, 63, 64, 199)] == found[
        [0, 63, 64, 199]
    ].tolist()


def test_the_same_vectors_and_seed_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    Nearest.build(VECTORS, SETTINGS, seed=5).write(tmp_path / "again")
    Nearest.build(VECTORS, SETTINGS, seed=6).write(tmp_path / "other")
    assert digest.of_files(tmp_path / "again") == digest.of_files(folder)
    assert digest.of_file(tmp_path / "other" / LISTS) != digest.of_file(folder / LISTS)
    assert set(digest.of_files(folder)) == set(FILES)


def test_processes_map_the_same_files_and_own_no_copy(folder: Path, nearest: Nearest, tmp_path: Path) -> None:
    np.save(tmp_path / "queries.npy", QUERIES)
    found, _ = nearest.search(QUERIES, K)  # so that this process holds the pages as well
    command = [sys.executable, "-c", READER, str(folder), str(tmp_path / "queries.npy")]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
    assert said["items"] == found.tolist()
    assert set(said["maps"]) == {LISTS, TABLE}
    for of in said["maps"].values():
        assert of["Private_Dirty:"] == 0
        assert of["Shared_Clean:"] > 0.5 * of["Rss:"] > 0


def _other_kind(path: Path) -> None:
    index = faiss.IndexFlatIP(64)
    index.add(VECTORS)
    faiss.write_index(index, str(path))


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        *((name, Path.unlink, "cannot be read") for name in FILES),
        *((name, lambda path: path.write_bytes(path.read_bytes()[:100]), "cannot be read") for name in FILES),
        *((name, lambda path: path.write_bytes(b""), "cannot be read") for name in FILES),
        (LISTS, lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "cannot be read"),
        (LISTS, _other_kind, "must hold 20000 items of 64 dimensions in lists of 8 bits. Received: IndexFlat"),
        (LISTS, lambda path: Nearest.build(VECTORS[:999], SETTINGS, seed=1).write(path.parent), None),
        (TABLE, lambda path: np.save(path, VECTORS), "must be float16 (20000, 64). Received: float32 (20000, 64)"),
        (TABLE, lambda path: np.save(path, VECTORS[1:].astype(np.float16)), "Received: float16 (19999, 64)"),
        (TABLE, lambda path: np.save(path, np.array([{}]), allow_pickle=True), "cannot be read"),
        (HEAD, lambda path: path.write_text('{"items": 3}'), "cannot be read: Object missing required field"),
    ],
)
def test_a_broken_file_is_refused_by_its_name(folder: Path, tmp_path: Path, name: str, spoil: Any, said: Any) -> None:
    for kept in FILES:
        shutil.copy(folder / kept, tmp_path / kept)
    spoil(tmp_path / name)
    if said is None:  # a whole index of other items, with the table and head of these
        for kept in (TABLE, HEAD):
            shutil.copy(folder / kept, tmp_path / kept)
        said = "Received: IndexIVFScalarQuantizer, 999, 64"
    with pytest.raises(FormError) as caught:
        Nearest.read(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.zeros((0, 4), np.float32), r"at least one. Received: \(0, 4\)"),
        (np.zeros(4, np.float32), r"Received: \(4,\)"),
        (np.array([[1, np.nan]], np.float32), "must be finite and at most 65504, .* Received: nan"),
        (np.array([[1, 1e6]], np.float32), "Received: 1000000"),
    ],
)
def test_vectors_that_cannot_be_kept_are_refused(vectors: Floats, said: str) -> None:
    with pytest.raises(FormError, match=said):
        Nearest.build(vectors, SETTINGS, seed=1)


@pytest.mark.parametrize(
    ("vectors", "k", "allowed", "said"),
    [
        (QUERIES[0], K, None, r"vectors must be \[n, 64\]"),
        (QUERIES[:, :5], K, None, r"Received: \(200, 5\)"),
        (QUERIES, 0, None, "k at least 1"),
        (QUERIES, K, np.ones(5, bool), r"allowed must be bool \(20000,\). Received: bool \(5,\)"),
        (QUERIES, K, np.ones(ITEMS, int), "Received: int64"),
    ],
)
def test_a_question_that_does_not_fit_is_refused(
    nearest: Nearest, vectors: Floats, k: int, allowed: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        nearest.search(vectors, k, allowed)


def test_few_vectors_make_an_index_as_well() -> None:
    found, _ = Nearest.build(VECTORS[:3], SETTINGS, seed=1).search(VECTORS[:3], 5)
    assert found[:, 0].tolist() == [0, 1, 2]
    assert (found[:, 3:] == NOTHING).all()
