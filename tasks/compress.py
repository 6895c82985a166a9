"""compress: variants of the float model, measured as they will be served, and the one that a stated rule picks.

The rule is applied on validation, with variants of the selection fit: of those whose paired interval against the float
model stays above -`max_ndcg_loss`, the smallest when gzipped wins. The variants that are written are made the same way
from the final fit.
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
        _export(Path(folder), make(selection), world, selection.freeze)
        quality = _validate(Path(folder), world, evaluate_settings, seed)

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


def _validate(folder: Path, world: World, settings: params.Evaluate, seed: int) -> dict[str, tuple[float, Interval]]:
    """Variant -> validation NDCG@10 and its difference to the float model's, relative."""
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

    values = {path.name: ndcg(path.name) for path in sorted(folder.iterdir())}
    return {
        name: (float(value.mean()), bootstrap.relative(value, values[PARENT], world.validation.user))
        for name, value in values.items()
    }


def _measured(
    variants: Path, contestant: Contestant, quality: dict[str, tuple[float, Interval]], margin: float
) -> Variant:
    files = [path for path in sorted((variants / contestant.name).iterdir()) if path.name != servable.MANIFEST]
    data = [path.read_bytes() for path in files]
    value, relative = quality[contestant.name]
    return Variant(
        name=contestant.name,
        sparsity=contestant.sparsity,
        size_bytes=sum(map(len, data)),
        gzip_bytes=len(gzip.compress(b"".join(data), 9, mtime=0)),
        validation_ndcg_at_10=value,
        change=relative.value,
        change_low=relative.low,
        change_high=relative.high,
        within_margin=relative.low >= -margin,
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
