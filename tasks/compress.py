"""compress: variants of the float model, measured as they will be served, and the one that a stated rule picks.

The rule is applied on validation, with variants of the selection fit: of those whose paired interval against the float
model stays above -`max_ndcg_loss`, the smallest when gzipped wins. A variant that was trained on is held to the same
margin against the control as well, or the luck of its extra epochs would pay for what its compression loses. The
variants that are written are made the same way from the final fit.
"""

import gzip
import logging
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import digest
import durable
import params
from dataset.batches import CandidateFeatures, examples
from dataset.query import Queries
from dataset.world import World
from evaluation.measure import Exam
from evaluation.metrics import Values
from evaluation.significance import Bootstrap, Interval
from models import device, export
from models.contestants import Contestant, NotCompressedError, contestants
from models.fit import batches
from models.variants import CONTROL, PARENT, Variant, Variants, choose
from serving import servable
from serving.runtime import Scoring

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Fit:
    """One of the two fits: where it lies, what it learned from, until when."""

    name: str
    queries: Queries
    freeze: int


def compress(
    *,
    features: Path,
    model: Path,
    variants: Path,
    settings: params.Compress,
    train_settings: params.Train,
    evaluate_settings: params.Evaluate,
    seed: int,
) -> Variants:
    """Writes `<variant>/` (the model part of a servable) for each contestant, and variants.json.

    Raises:
        models.contestants.NotCompressedError: a contestant did not become smaller or sparser as it claims.
    """
    world = World.read(features)
    device.prepare(seed=seed, threads=train_settings.threads)
    make = partial(_contestants, world=world, model=model, settings=settings, train=train_settings, seed=seed)
    untouched = digest.of_folder(model)

    selection = _Fit("selection", world.train, world.cuts.validation_start)
    with tempfile.TemporaryDirectory() as folder:
        candidates = make(selection)
        _export(Path(folder), candidates, world, selection.freeze)
        quality = _validate(Path(folder), candidates, world, evaluate_settings, seed)

    final = _Fit("final", world.before_test(), world.cuts.test_start)
    made = make(final)
    _export(variants, made, world, final.freeze)
    if digest.of_folder(model) != untouched:
        raise NotCompressedError(f"{model}: the float model's files changed during compression")
    measured = [_measured(variants, contestant, quality, settings.max_ndcg_loss) for contestant in made]
    _refuse_no_ops({variant.name: variant for variant in measured})
    items = CandidateFeatures.catalogue(world.features, final.freeze)
    outcome = Variants(
        chosen=choose(measured),
        savedmodel_bytes=export.savedmodel_bytes(made[0].model, items, k=max(evaluate_settings.cutoffs)),
        measured=measured,
    )
    durable.write_json(variants / "variants.json", outcome)
    return outcome


def _contestants(
    fit: _Fit, *, world: World, model: Path, settings: params.Compress, train: params.Train, seed: int
) -> list[Contestant]:
    arrays = examples(fit.queries, world.features, world.history_length)
    return contestants(
        model / fit.name,
        lambda: batches(arrays, batch_size=train.batch_size, seed=seed),
        sparsity=settings.sparsity,
        epochs=settings.fine_tune_epochs,
        learning_rate=settings.fine_tune_learning_rate,
    )


def _export(folder: Path, made: list[Contestant], world: World, freeze: int) -> None:
    items = CandidateFeatures.catalogue(world.features, freeze)
    for contestant in made:
        export.export(
            folder / contestant.name,
            name=contestant.name,
            model=contestant.model,
            features=items,
            freeze=freeze,
            quantize=contestant.quantize,
        )


@dataclass(frozen=True)
class _Quality:
    """NDCG@10 on validation."""

    value: float
    change: Interval
    """Relative to the float model."""
    worst_low: float
    """The lower one of its lower bounds against the float model and, for what was trained on, the control."""


def _validate(
    folder: Path, candidates: list[Contestant], world: World, settings: params.Evaluate, seed: int
) -> dict[str, _Quality]:
    """Variant -> what it is worth on validation."""
    exam = Exam(
        queries=world.validation,
        catalogue=world.catalogue(world.cuts.validation_start),
        counts=world.features.count_train,
        cutoffs=[10],
        head_share=settings.head_share,
        cold_history=settings.cold_history,
        chunk_size=settings.chunk_size,
    )
    bootstrap = Bootstrap(settings.bootstrap_samples, settings.confidence, seed)

    def ndcg(name: str) -> Values:
        return exam.per_query(exam.take(Scoring(servable.read_model(folder / name))))["ndcg_at_10"]

    values = {candidate.name: ndcg(candidate.name) for candidate in candidates}

    def change(name: str, reference: str) -> Interval:
        return bootstrap.relative(values[name], values[reference], world.validation.user)

    found = {}
    for candidate in candidates:
        references = (PARENT, CONTROL) if candidate.trained_on else (PARENT,)
        changes = [change(candidate.name, reference) for reference in references]
        worst = min(interval.low for interval in changes)
        found[candidate.name] = _Quality(float(values[candidate.name].mean()), changes[0], worst)
    return found


def _measured(variants: Path, contestant: Contestant, quality: dict[str, _Quality], margin: float) -> Variant:
    files = [path for path in sorted((variants / contestant.name).iterdir()) if path.name != servable.MANIFEST]
    data = [path.read_bytes() for path in files]
    found = quality[contestant.name]
    return Variant(
        name=contestant.name,
        sparsity=contestant.sparsity,
        size_bytes=sum(map(len, data)),
        gzip_bytes=len(gzip.compress(b"".join(data), 9, mtime=0)),
        validation_ndcg_at_10=found.value,
        change=found.change.value,
        change_low=found.change.low,
        change_high=found.change.high,
        within_margin=found.worst_low >= -margin,
    )


def _refuse_no_ops(found: dict[str, Variant]) -> None:
    """Each claim against the variant that makes none: int8 against float bytes, pruned against gzipped control."""
    claims = [
        ("int8", found["int8"].size_bytes, found[PARENT].size_bytes // 2),
        ("pruned-int8", found["pruned-int8"].size_bytes, found["pruned"].size_bytes // 2),
        ("pruned", found["pruned"].gzip_bytes, found[CONTROL].gzip_bytes - 1),
    ]
    for name, received, limit in claims:
        if received > limit:
            raise NotCompressedError(
                f"variant {name!r}: claims to compress and must have at most {limit} bytes. Received: {received}"
            )
