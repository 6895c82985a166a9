"""train, compress, evaluate and promote on a small shop, each as it is run: in a process of its own."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import digest
from dataset.vocabulary import OOV
from dataset.world import World
from evaluation.metrics import accuracy
from evaluation.protocol import rank
from models.variants import PARENT, Variants
from promotion.registry import Registry
from scoring import folder as form_folder
from tasks.contenders import Contenders
from tasks.steps import PER_MODEL
from tests.shop import shop, write
from tests.small import MODELS, ROOT, TWO_TOWER, small

EASY: dict[str, dict[str, Any]] = {
    "promote": {"min_gain": -1.0, "max_compression_loss": 1.0, "max_coverage_drop": 1.0, "max_slice_drop": 1.0}
}
"""Two epochs make no good model; these margins let it through, so that there is a champion to meet."""
TINY: dict[str, Any] = {"embedding_dim": 4, "hidden_units": [4]}
ALONE: dict[str, Any] = {"contestants": {"untrained": [PARENT]}}
"""No tournament, where it is not what is looked at."""


def project(folder: Path, **changes: dict[str, Any]) -> Path:
    """A folder with params.yaml; whatever runs in it uses this repository's code."""
    two_tower = changes.pop("two-tower", {})
    whole = small(EASY)
    whole["train"]["models"]["two-tower"] |= two_tower
    for section, values in changes.items():
        whole[section] |= values
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(whole))
    return folder


def step(folder: Path, *name: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tasks", *name]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run(folder: Path, *names: str) -> None:
    for name in names:
        for model in MODELS if name in PER_MODEL else [""]:
            done = step(folder, *filter(None, (name, model)))
            assert done.returncode == 0, done.stderr


def contending(folder: Path) -> Contenders:
    places = {name: folder / "artifacts" / name for name in ("variants", "blend", "rank")}
    return Contenders.read(MODELS, **places)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("data"))
    write(folder / "data/inbox", shop(seed=5, customers=200, products=120, orders=6000), suffix=".csv")
    run(folder, "ingest", "prepare", "split", "featurize")
    return folder / "data"


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("done"))
    (folder / "data").symlink_to(data)
    run(folder, "train", "compress", "blend", "rank", "evaluate", "promote")
    return folder


def test_the_same_seed_gives_the_same_bytes(done: Path, data: Path, tmp_path: Path) -> None:
    again = project(tmp_path)
    (again / "data").symlink_to(data)
    run(again, "train", "compress", "blend", "rank", "evaluate")
    for name in ("model", "variants", "blend", "rank", "evaluation"):
        assert digest.of_files(again / "artifacts" / name) == digest.of_files(done / "artifacts" / name), name


def test_leave_one_out_goes_all_the_way_but_to_promotion(tmp_path: Path) -> None:
    split = {"protocol": "leave-one-out"}
    folder = project(tmp_path, split=split, featurize={"history_length": 200}, train={"epochs": 1}, compress=ALONE)
    write(folder / "data/inbox", shop(seed=5, customers=150, products=120, orders=3000), suffix=".csv")
    run(folder, "ingest", "prepare", "split", "featurize", "train", "compress", "blend", "rank", "evaluate")
    table = pq.read_table(folder / "artifacts/evaluation/per_query.parquet").to_pandas()
    everybody = table[table["subject"] == "item-knn"]
    assert everybody["user"].is_unique
    assert len(everybody) == 150
    quality = table.groupby("subject", observed=True)["ndcg_at_10"].mean()
    assert quality["item-knn"] > quality["popularity"]
    refused = step(folder, "promote")
    assert refused.returncode == 1
    assert "split.protocol must be 'temporal'. Received: 'leave-one-out'" in refused.stderr
    assert not (folder / "artifacts/registry").exists()


def test_another_seed_gives_another_model(done: Path, data: Path, tmp_path: Path) -> None:
    other = project(tmp_path)
    whole = yaml.safe_load((other / "params.yaml").read_text())
    (other / "params.yaml").write_text(yaml.safe_dump(whole | {"seed": 8}))
    (other / "data").symlink_to(data)
    assert step(other, "train", "two-tower").returncode == 0
    weights = "artifacts/model/two-tower/final/weights.npz"
    assert digest.of_file(other / weights) != digest.of_file(done / weights)


def test_every_contestant_is_measured(done: Path) -> None:
    outcome = Variants.read(done / "artifacts/variants/two-tower")
    found = {variant.name: variant for variant in outcome.measured}
    assert list(found) == [PARENT, "int8", "tied-8", "tied-6", "control", "pruned", "pruned-tied-8"]
    assert found["int8"].size_bytes < found[PARENT].size_bytes / 2
    # The structure of so small a network weighs more than its table.
    assert found["tied-6"].size_bytes < found["tied-8"].size_bytes < found[PARENT].size_bytes / 2
    assert found[PARENT].top_10_overlap == 1.0 >= found["tied-8"].top_10_overlap > 0.8
    assert found["pruned"].sparsity == pytest.approx(0.6, abs=0.01)
    assert (found["int8"].extra_epochs, found["int8"].extra_examples) == (0, 0)
    assert found["pruned-tied-8"].extra_epochs == found["control"].extra_epochs == 1
    assert found["pruned-tied-8"].extra_examples == found["control"].extra_examples > 0
    assert found["control"].extra_examples % TWO_TOWER["batch_size"] == 0
    assert found[PARENT].change == found[PARENT].change_low == 0.0
    assert outcome.uncompressed_bytes > found[PARENT].size_bytes


def test_a_second_stage_is_examined_apart_and_beside_its_first(done: Path) -> None:
    world = World.read(done / "data/features")
    outcome = Variants.read(done / "artifacts/rank/two-stage")
    assert outcome.upon is not None
    assert outcome.upon.model == "blend"
    assert outcome.upon.queries == len(world.validation) - int(len(world.validation) * 0.5)
    assert outcome.upon.change_low <= outcome.upon.change <= outcome.upon.change_high
    assert {variant.name for variant in outcome.measured} == {PARENT, "compressed"}
    # The first stage alone, on the same queries.
    fold = replace(world, validation=world.validation[int(len(world.validation) * 0.5) :]).selection
    blend = Variants.read(done / "artifacts/blend/blend").chosen
    forms = {
        "first": form_folder.read(done / "artifacts/blend/blend/selection" / blend)[1],
        "second": form_folder.read(done / "artifacts/rank/two-stage/selection" / outcome.chosen)[1],
    }
    ranks = {name: rank(form, fold.ask, fold.catalogue, k=10, chunk_size=512).rank for name, form in forms.items()}
    first, second = (accuracy(ranks[name], [10])["ndcg_at_10"].mean() for name in ("first", "second"))
    assert outcome.winner.validation_ndcg_at_10 == pytest.approx(second)
    assert outcome.upon.change == pytest.approx((second - first) / first, rel=1e-6)


def test_what_says_whether_there_is_a_gain_was_not_learned_from(done: Path, tmp_path: Path) -> None:
    """It comes out the same when what was taken later is hidden; what is served learns from all, and does not."""
    blind = project(tmp_path)
    shutil.copytree(done / "data/features", blind / "data/features")
    (blind / "data/prepared").symlink_to((done / "data/prepared").resolve())
    (blind / "artifacts").mkdir()
    for name in ("variants", "blend"):
        (blind / "artifacts" / name).symlink_to(done / "artifacts" / name)
    asked = World.read(blind / "data/features").validation
    later = np.arange(len(asked)) >= int(len(asked) * 0.5)
    replace(asked, target=np.where(later, OOV, asked.target).astype(np.int32)).write(
        blind / "data/features/validation.npz"
    )
    run(blind, "rank")
    for fold, alike in (("selection", True), ("final", False)):
        ranker = Path("artifacts/rank/two-stage") / fold / PARENT / "ranker-out.npy"
        assert ((blind / ranker).read_bytes() == (done / ranker).read_bytes()) == alike, fold


def test_a_second_stage_needs_both_parts_of_validation(done: Path, data: Path, tmp_path: Path) -> None:
    greedy = project(tmp_path, rank={"learn_share": 1.0})
    (greedy / "data").symlink_to(data)
    (greedy / "artifacts").mkdir()
    for name in ("variants", "blend"):
        (greedy / "artifacts" / name).symlink_to(done / "artifacts" / name)
    failed = step(greedy, "rank")
    assert failed.returncode == 1
    assert "both parts of validation that rank.learn_share = 1.0 makes" in failed.stderr
    assert not (greedy / "artifacts/rank").exists()


def test_the_picture_of_bytes_against_quality_has_every_subject(done: Path) -> None:
    page = (done / "artifacts/evaluation/pareto.html").read_text()
    for path in (done / "artifacts/evaluation/metrics").glob("*.json"):
        assert f"<tr><td>{path.stem}</td>" in page
    size = Variants.read(done / "artifacts/variants/two-tower").winner.size_bytes
    assert f"<td>{size:,}</td>" in page
    assert (done / "artifacts/evaluation/plots/pareto.png").stat().st_size > 10_000


def test_every_query_has_its_results(done: Path) -> None:
    table = pq.read_table(done / "artifacts/evaluation/per_query.parquet")
    subjects = set(table["subject"].to_pylist())
    assert {
        "two-tower",
        "two-tower-int8",
        "popularity",
        "item-knn",
        "blend",
        "blend-compressed",
        "switch",
        "two-stage",
    } <= subjects
    assert len(table) == len(subjects) * (np.asarray(table["query"]).max() + 1)
    metrics = sorted(path.stem for path in (done / "artifacts/evaluation/metrics").glob("*.json"))
    assert metrics == sorted(subjects)


def test_ratings_are_predicted_where_the_log_has_weights(done: Path, data: Path) -> None:
    """The shop's quantities are drawn evenly from 1 to 4, so nothing can be learned of them but their mean."""
    folder = done / "artifacts/evaluation/metrics/ratings"
    found = {path.stem: msgspec.json.decode(path.read_bytes(), type=dict[str, float]) for path in folder.iterdir()}
    orders = pq.read_table(data / "prepared/interactions.parquet")
    parts = np.load(data / "split/parts.npz")["part"]
    weight = orders["weight"].to_numpy()
    error = weight[parts == 2] - weight[parts < 2].mean(dtype=np.float64)
    assert found["mean"]["rmse"] == pytest.approx(np.sqrt((error**2).mean()), abs=1e-5)
    assert found["mean"]["mae"] == pytest.approx(np.abs(error).mean(), abs=1e-5)
    assert found["biases"]["rmse"] > 0.98 * found["mean"]["rmse"]
    for values in found.values():
        for metric in ("rmse", "mae"):
            assert values[f"{metric}_low"] < values[metric] < values[f"{metric}_high"]


def test_the_first_challenger_meets_a_baseline_and_the_second_run_itself(done: Path) -> None:
    decision = msgspec.json.decode((done / "artifacts/reports/decision.json").read_bytes())["decision"]
    assert decision["result"] == "promoted", decision["checks"]
    assert decision["reference"] in ("popularity", "item-knn")
    with Registry(done / "artifacts/registry") as book:
        before = book.history()
    assert [event.digest for event in before] == [decision["challenger"]]
    run(done, "promote")
    again = msgspec.json.decode((done / "artifacts/reports/decision.json").read_bytes())["decision"]
    assert (again["result"], again["reasons"]) == ("held", ["same_version"])
    with Registry(done / "artifacts/registry") as book:
        assert book.history() == before


def test_nothing_is_promoted_on_the_figures_of_other_bytes(done: Path, tmp_path: Path) -> None:
    """The leader was compressed anew, and not evaluated anew."""
    copy = Path(shutil.copytree(done, tmp_path / "copy", symlinks=True))
    contenders = contending(copy)
    model = contenders.leader
    changed = contenders.final(model, contenders.outcomes[model].chosen) / "manifest.json"
    changed.write_text(changed.read_text() + "\n")
    before = digest.of_folder(copy / "artifacts/registry")
    refused = step(copy, "promote")
    assert refused.returncode == 1
    assert f"{changed.parent.relative_to(copy)}: must be what artifacts/evaluation/examined.json says" in refused.stderr
    assert digest.of_folder(copy / "artifacts/registry") == before


def test_a_model_that_params_yaml_no_longer_names_does_not_contend(done: Path, tmp_path: Path) -> None:
    """DVC leaves its folder where it is."""
    copy = Path(shutil.copytree(done, tmp_path / "copy", symlinks=True))
    variants = copy / "artifacts/variants"
    shutil.copytree(variants / "item-knn", variants / "gone")
    (variants / "half").mkdir()
    run(copy, "evaluate")
    for name in ("examined.json", "quality.csv"):
        path = Path("artifacts/evaluation") / name
        assert (copy / path).read_bytes() == (done / path).read_bytes()


def test_a_model_whose_tournament_was_not_held_is_named(done: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(done, tmp_path / "copy", symlinks=True))
    (copy / "artifacts/variants/item-knn/variants.json").unlink()
    refused = step(copy, "evaluate")
    assert refused.returncode == 1
    assert "artifacts/variants/item-knn/variants.json: cannot be read" in refused.stderr
    assert "Run `dvc repro`" in refused.stderr


def test_every_variant_of_a_model_that_has_several_is_timed(done: Path) -> None:
    found = msgspec.json.decode((done / "artifacts/reports/decision.json").read_bytes())["variants_latency"]
    contenders = contending(done)
    alone = {model for model, outcome in contenders.outcomes.items() if len(outcome.measured) == 1}
    assert set(found) == {name for name, _ in contenders.subjects()} - alone
    assert all(0 < latency["p50_ms"] <= latency["p99_ms"] for latency in found.values())


def test_a_champion_with_another_vocabulary_is_asked_the_same_queries(done: Path, tmp_path: Path) -> None:
    """The same shop with rare items left out: another vocabulary, another model, the old champion as reference."""
    registry = {"registry": str(done / "artifacts/registry")}
    fewer = project(tmp_path, featurize={"min_item_count": 20}, paths=registry, compress=ALONE)
    (fewer / "data").mkdir()
    for name in ("prepared", "split"):
        (fewer / "data" / name).symlink_to((done / "data" / name).resolve())
    run(fewer, "featurize", "train", "compress", "blend", "rank", "evaluate", "promote")
    decision = msgspec.json.decode((fewer / "artifacts/reports/decision.json").read_bytes())
    with Registry(done / "artifacts/registry") as book:
        first = book.history()[0]
    assert decision["decision"]["reference"] == first.digest
    assert "champion" in decision["latency"]


def test_a_contestant_that_does_not_keep_what_it_claims_leaves_nothing(data: Path, tmp_path: Path) -> None:
    """Of so small a table, 8 bits save less than its contestant claims."""
    tiny = project(tmp_path, compress={"contestants": {"untrained": [PARENT, "int8"]}}, **{"two-tower": TINY})
    (tiny / "data").symlink_to(data)
    assert step(tiny, "train", "two-tower").returncode == 0
    refused = step(tiny, "compress", "two-tower")
    assert refused.returncode == 1
    assert "variant 'int8': claims to compress and must have at most" in refused.stderr
    assert not (tiny / "artifacts/variants/two-tower").exists()


def test_a_loss_that_is_no_number_leaves_nothing(data: Path, tmp_path: Path) -> None:
    wild = project(tmp_path, **{"two-tower": {"learning_rate": 1.0e30}})
    (wild / "data").symlink_to(data)
    failed = step(wild, "train", "two-tower")
    assert failed.returncode == 1
    assert "the loss became NaN or infinite" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (wild / "artifacts/model").exists()


def test_pruning_that_does_nothing_is_found_out(done: Path, data: Path, tmp_path: Path) -> None:
    """A schedule that ends long after training does leaves the weights as they are."""
    program = (
        "import sys, params, tensorflow_model_optimization as tfmot\n"
        "real = tfmot.sparsity.keras.PolynomialDecay\n"
        "def never(**settings):\n"
        "    return real(**(settings | {'begin_step': 10**6, 'end_step': 2 * 10**6}))\n"
        "tfmot.sparsity.keras.PolynomialDecay = never\n"
        "from tasks import steps\n"
        "steps.run('compress', params.load(), 'two-tower')\n"
    )
    contestants = {"untrained": [PARENT], "control": [PARENT], "pruned": [PARENT]}
    lazy = project(tmp_path, compress={"contestants": contestants})
    (lazy / "data").symlink_to(data)
    (lazy / "artifacts").mkdir()
    (lazy / "artifacts/model").symlink_to(done / "artifacts/model")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_USE_LEGACY_KERAS": "1"}
    command = [sys.executable, "-c", program]
    failed = subprocess.run(command, cwd=lazy, env=environment, capture_output=True, text=True, check=False)
    assert failed.returncode != 0
    assert "NotCompressedError: variant 'pruned'" in failed.stderr
    assert not (lazy / "artifacts/variants/two-tower").exists()
