"""Contestants of one model against each other: measured as they would be served, and one chosen by a stated rule.

The rule is applied on validation, with variants of the selection fit: of those whose paired interval against the float
model stays above -`max_ndcg_loss`, the smallest when gzipped wins. A variant that was trained on is held to the same
margin against the control as well, or the luck of its extra epochs would pay for what its compression loses, and has to
save at least `min_saving` of the bytes. The variants that are served are made the same way from the final fit.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import durable
import params
from dataset.world import Fold, World
from evaluation import lists
from evaluation.measure import Exam
from evaluation.metrics import Values
from evaluation.protocol import Scorer
from evaluation.significance import Bootstrap
from models.variants import CONTROL, PARENT, NotCompressedError, Upon, Variant, Variants, choose
from scoring import folder as form_folder
from scoring.forms import Form
from tasks.validated import Validated

NDCG: Final = "ndcg_at_10"


@dataclass(frozen=True)
class Entry:
    """A contestant in the form in which it would be served."""

    name: str
    form: Form
    sparsity: float = 0.0
    """Share of zeros in the Dense kernels, 0..1."""
    trained_on: bool = False
    """Whether it had more epochs than the float model."""
    claim: float | None = None
    """Largest share of the float model's bytes that it may have; None where it claims nothing."""
    extra_epochs: int = 0
    """That it was trained for beside the float model's."""
    extra_examples: int = 0
    """See `models.variants.Variant`."""
    crossed: Scorer | None = None
    """Examined on validation in the form's place, where the form has learned from validation itself."""


@dataclass(frozen=True)
class First:
    """The first stage of a model that has two, as it would be served, of the selection fit."""

    model: str
    form: Form


def hold(
    folder: Path,
    *,
    model: str,
    world: World,
    entries: Callable[[Fold], list[Entry]],
    uncompressed_bytes: Callable[[], int] | None,
    rules: params.Compress,
    settings: params.Evaluate,
    seed: int,
    upon: First | None = None,
) -> Variants:
    """Makes the contestants of both fits, chooses, and then writes a variants folder (see `models.variants`).

    Args:
        folder: where to.
        model: whose variants they are.
        world: the features.
        entries: makes the contestants of one fit, the float model among them, the same names for both.
        uncompressed_bytes: what sizes are compared with; the float model's own when None.
        rules: margin and saving.
        settings: of the evaluation.
        seed: of the bootstrap.
        upon: what the model stands upon, and has to show a gain over.

    Raises:
        NotCompressedError: a contestant did not become smaller or sparser as it claims.
    """
    candidates = entries(world.selection)
    exam, bootstrap = _exam(world, settings), Bootstrap(settings.bootstrap_samples, settings.confidence, seed)
    validated, overlaps = _validate(candidates, exam)
    final = entries(world.final)
    measured = [_variant(entry, validated, overlaps, bootstrap, rules.max_ndcg_loss) for entry in final]
    sizes = {variant.name: variant for variant in measured}
    _refuse_no_ops(final, sizes)
    winner = choose(measured, min_saving=rules.min_saving)
    kept = [entry for entry in candidates if entry.name in (winner, PARENT)]
    outcome = Variants(
        model=model,
        chosen=winner,
        uncompressed_bytes=uncompressed_bytes() if uncompressed_bytes else sizes[PARENT].size_bytes,
        measured=measured,
        upon=_upon(upon, validated.values[winner], exam, bootstrap) if upon else None,
    )
    _write(folder / "final", final, model, world.final, len(world.items))
    _write(folder / "selection", kept, model, world.selection, len(world.items))
    validated.write(folder)
    durable.write_json(folder / "variants.json", outcome)
    return outcome


def _write(folder: Path, entries: list[Entry], model: str, fold: Fold, items: int) -> None:
    for entry in entries:
        form_folder.write(
            folder / entry.name, entry.form, model=model, name=entry.name, items=items, freeze=fold.freeze
        )


def _exam(world: World, settings: params.Evaluate) -> Exam:
    fold = world.selection
    return Exam(
        queries=fold.ask,
        catalogue=fold.catalogue,
        counts=fold.counts,
        cutoffs=[10],
        head_share=settings.head_share,
        cold_history=settings.cold_history,
        chunk_size=settings.chunk_size,
    )


def _ndcg(exam: Exam, form: Form) -> Values:
    return exam.per_query(exam.take(form))[NDCG]


def _validate(candidates: list[Entry], exam: Exam) -> tuple[Validated, dict[str, float]]:
    """What each variant is worth, and the share of the float model's ten best that are among its own."""
    rankings = {entry.name: exam.take(entry.crossed or entry.form) for entry in candidates}
    values = {name: exam.per_query(ranking)[NDCG] for name, ranking in rankings.items()}
    overlaps = {name: lists.overlap(ranking.lists, rankings[PARENT].lists) for name, ranking in rankings.items()}
    return Validated(exam.queries.user, values), overlaps


def _upon(first: First, ours: Values, exam: Exam, bootstrap: Bootstrap) -> Upon:
    """What the second stage, whose values are `ours`, adds to the first."""
    change = bootstrap.relative(ours, _ndcg(exam, first.form), exam.queries.user)
    return Upon(first.model, len(ours), change.value, change.low, change.high)


def _variant(
    entry: Entry,
    validated: Validated,
    overlaps: dict[str, float],
    bootstrap: Bootstrap,
    margin: float,
) -> Variant:
    """What is known of an entry: its bytes as it would be served, its worth as it was before validation."""
    data = list(form_folder.packed(entry.form).values())
    change = validated.change(entry.name, bootstrap)
    return Variant(
        name=entry.name,
        trained_on=entry.trained_on,
        extra_epochs=entry.extra_epochs,
        extra_examples=entry.extra_examples,
        sparsity=entry.sparsity,
        size_bytes=sum(map(len, data)),
        gzip_bytes=len(gzip.compress(b"".join(data), 9, mtime=0)),
        validation_ndcg_at_10=float(validated.values[entry.name].mean()),
        top_10_overlap=overlaps[entry.name],
        change=change.value,
        change_low=change.low,
        change_high=change.high,
        within_margin=validated.worst_low(entry.name, bootstrap, trained_on=entry.trained_on) >= -margin,
    )


def _refuse_no_ops(entries: list[Entry], found: dict[str, Variant]) -> None:
    """What claims to be smaller than the float model has to be, in bytes; what has zeros or clusters, when gzipped."""
    parent = found[PARENT]
    limits = [
        (entry.name, found[entry.name].size_bytes, int(entry.claim * parent.size_bytes))
        for entry in entries
        if entry.claim is not None
    ]
    limits += [
        (entry.name, found[entry.name].gzip_bytes, found[CONTROL].gzip_bytes - 1)
        for entry in entries
        if entry.trained_on and entry.name != CONTROL
    ]
    for name, received, limit in limits:
        if received > limit:
            raise NotCompressedError(
                f"variant {name!r}: claims to compress and must have at most {limit} bytes. Received: {received}"
            )
