"""What the compression benchmark makes of its tournaments: rows, tables, pictures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import params
from benchmarks import compression, compression_table, movielens_1m
from benchmarks.compression import Held
from benchmarks.compression_table import CHANGE, EACH, FROM_CONTROL, PRIMARY, SEEDS, TIMES
from benchmarks.results import Result, merge, read
from evaluation.significance import Bootstrap
from models.variants import PARENT, Variants
from tasks.validated import Validated
from tests.variants import variant


def contestant(dataset: str, name: str, seed: str, *, size: float, change: float) -> Iterator[Result]:
    def row(metric: str, value: float) -> Result:
        subject = f"podium/transformer-{name}, {seed}"
        return Result("compression", dataset, "next", subject, metric, value, value - 0.01, value + 0.01, "1", "this")

    yield row(PRIMARY, 0.1 * (1 + change))
    yield row(CHANGE, change)
    if name == "pruned":
        yield row(FROM_CONTROL, change)
    yield row(TIMES, 1e6 / size)
    yield row("chosen", float(name == "tied-8"))
    if seed == SEEDS:
        yield row("chosen by a seed", 0.5 * (name != "float32"))
        return
    metrics = ["top-10 overlap with float", "training", "load", "resident memory", "p50 of 1 query", "p99 of 1 query"]
    for metric in [*metrics, "p50 of 64 queries", "CPU seconds of 1,000 queries"]:
        yield row(metric, 0.5)
    yield row("bytes", size)


CHANGES = {"seed 7": 0.01, "seed 8": 0.03, SEEDS: 0.02}
"""Of `pruned`."""


@pytest.fixture
def found() -> list[Result]:
    sizes = {"float32": 5e5, "tied-8": 1e5, "pruned": 4e5}
    rows = [
        row
        for dataset, seeds in {"movielens-100k": ["seed 7", "seed 8", SEEDS], "movielens-1m": ["seed 7"]}.items()
        for seed in seeds
        for name, size in sizes.items()
        for row in contestant(dataset, name, seed, size=size, change=CHANGES[seed] if name == "pruned" else 0.0)
    ]
    return [*rows, *contestant("movielens-100k", EACH, SEEDS, size=5e4, change=0.05)]


def test_the_tables_have_every_seed_and_what_the_seeds_come_to(found: list[Result]) -> None:
    text = compression_table.markdown(found)
    assert [line for line in text.splitlines() if line.startswith("##")] == [
        f"## MovieLens-100K, next, {SEEDS}",
        "## MovieLens-100K, next, seed 7",
        "## MovieLens-100K, next, seed 8",
        "## MovieLens-1M, next, seed 7",
    ]
    section = next(part for part in text.split("## ") if part.startswith("MovieLens-100K, next, seed 7"))
    first = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| ")]
    assert first == ["| contestant", "| ---", "| **tied-8** (chosen)", "| pruned", "| float32"]
    assert "| pruned | 2.50 | +2.00% | +1.00% to +3.00% | +1.00% to +3.00% | +2.00% (+1.00% to +3.00%) | 50% |" in text
    assert f"| {EACH} | 20.00 | +5.00% | +4.00% to +6.00% |  |  | 50% |" in text


def test_the_best_of_the_seeds_are_those_that_no_other_covers(found: list[Result]) -> None:
    """`float32` is larger than `tied-8` and no better; a mixture is no contestant; MovieLens-1M has only one seed."""
    assert compression_table.best(found).splitlines() == [
        f"MovieLens-100K, {SEEDS}:",
        "",
        "| contestant | times smaller | change from float | 95% interval "
        "| least and most of a seed | from control | chosen by a seed |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| **tied-8** (chosen) | 10.00 | +0.00% | -1.00% to +1.00% | +0.00% to +0.00% |  | 50% |",
        "| pruned | 2.50 | +2.00% | +1.00% to +3.00% | +1.00% to +3.00% | +2.00% (+1.00% to +3.00%) | 50% |",
    ]


def held(folder: Path, seed: int, losses: dict[str, float]) -> Held:
    """A tournament in which each variant loses so much of every query, and a saving of half the bytes for each name."""
    values = np.random.default_rng(5).uniform(0.2, 1.0, 300)
    Validated(np.arange(300), {name: values * (1 - loss) for name, loss in losses.items()}).write(folder)
    measured = [variant(name, 2**size) for size, name in enumerate(reversed(losses), start=5)]
    return Held(seed, Variants("transformer", PARENT, 4096, measured), folder, {})


def test_the_seeds_together_choose_by_what_each_query_comes_to(tmp_path: Path) -> None:
    """A loss that one seed shows and another does not counts half."""
    rules = params.load().compress
    assert rules.max_ndcg_loss == 0.01
    losses = [{PARENT: 0.0, "tied-8": 0.0, "tied-4": loss} for loss in (0.018, 0.0)]
    seeds = [held(tmp_path / str(seed), seed, of) for seed, of in enumerate(losses)]
    bootstrap = Bootstrap(samples=200, confidence=0.95, seed=7)
    assert compression.chosen(seeds, rules, bootstrap) == "tied-4"
    assert compression.chosen(seeds[:1], rules, bootstrap) == "tied-8"
    assert compression.chosen(seeds[1:], rules, bootstrap) == "tied-4"


def test_each_data_set_has_a_picture(found: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FOLDER", tmp_path)
    compression.show(found)
    names = ["compression-1m.html", "compression-1m.png", "compression.html", "compression.md", "compression.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert "MovieLens-1M, seed 7" in (tmp_path / "compression-1m.html").read_text()


def test_one_data_set_replaces_its_own_results_alone(found: list[Result], tmp_path: Path) -> None:
    file = tmp_path / "compression.csv"
    merge(file, found)
    merge(file, list(contestant("movielens-1m", "tied-8", "seed 7", size=2e5, change=0.0)))
    subjects = {(one.dataset, one.subject) for one in read(file)}
    assert ("movielens-100k", "podium/transformer-float32, seed 8") in subjects
    assert {subject for dataset, subject in subjects if dataset == "movielens-1m"} == {
        "podium/transformer-tied-8, seed 7"
    }


def test_without_trained_models_it_says_how_to_train_them(tmp_path: Path) -> None:
    for name in movielens_1m.FILES:
        (tmp_path / name).write_bytes(b"a log")
    with pytest.raises(SystemExit, match=r"no trained models. Train them \(hours\): python -m benchmarks.movielens_1m"):
        compression.main(["--published", str(tmp_path)])
