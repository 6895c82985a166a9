"""promote: the best model's chosen variant against the champion on the same queries, and the decision on record.

Not a DVC stage: who is champion now is nothing a repository can know.
"""

import logging
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

import durable
import params
from dataset.world import World
from evaluation import report
from evaluation.measure import Exam
from evaluation.metrics import Values
from evaluation.significance import Bootstrap
from evaluation.translate import Translated
from models.variants import PARENT
from promotion.gate import Decision, Evidence, Rules, decide
from promotion.registry import Registry, Version
from serving import servable
from serving.latency import Latency
from tasks import examined, timing
from tasks.assemble import assemble
from tasks.contenders import Contenders, subject
from tasks.evaluate import examination

log = logging.getLogger(__name__)

LIST_LENGTH = 10
"""Items asked for when latency is measured, and the cut-off of the coverage that is compared."""
ACTOR = "tasks.promote"


class ProtocolError(ValueError):
    """The evaluation is of a kind that says nothing of how a model would do when live."""


class NoReferenceError(ValueError):
    """There is nobody whom the challenger could be held against."""


@dataclass(frozen=True)
class PromoteSummary:
    """The decision and what was measured for it."""

    decision: Decision
    model: str
    """The challenger's model: the one that is best on validation."""
    variant: str
    """Name of the challenger's variant."""
    champion: str | None
    """Digest of the champion after the decision."""
    latency: dict[str, Latency]
    """challenger, parent and, if there was one, champion."""
    variants_latency: dict[str, Latency]
    """Subject -> that of every variant of the models that have more than one; for people, the gate does not ask."""
    size_bytes: int
    """Of the challenger's whole folder."""


@dataclass(frozen=True)
class _Reference:
    """Whom the challenger has to beat."""

    name: str
    values: Values
    coverage: float
    freeze: int | None


def promote(
    *,
    features: Path,
    variants: Path,
    blend: Path,
    rank: Path,
    index: Path,
    evaluation: Path,
    registry: Path,
    reports: Path,
    models: list[str],
    settings: params.Promote,
    evaluate_settings: params.Evaluate,
    seed: int,
) -> PromoteSummary:
    """Registers the best model's chosen variant, decides, records decision and evidence, and writes decision.json.

    Raises:
        ProtocolError: the split is leave-one-out, whose test is no future of anything.
        NoReferenceError: there is no champion, and no baseline but the challenger.
        tasks.examined.StaleError: a variant or its index is another one than was evaluated.
        promotion.registry.RegistryError: the registry is damaged, or moved on in the meantime (`ConflictError`).
        serving.servable.ServableError: a version cannot be read.
    """
    world = World.read(features)
    if world.protocol != "temporal":
        raise ProtocolError(
            "a model is promoted by what it would have done with the future: split.protocol must be 'temporal'. "
            f"Received: {world.protocol!r}"
        )
    contenders = Contenders.read(models, variants=variants, blend=blend, rank=rank)
    model = contenders.leader
    chosen = contenders.outcomes[model].chosen
    ours, parent = subject(model, chosen), subject(model, PARENT)
    rivals = [name for name in evaluate_settings.baselines if name != model]
    examined.check(evaluation, contenders, [ours, parent, *rivals])
    exam = examination(world, evaluate_settings)
    metric = evaluate_settings.primary_metric
    table = pq.read_table(evaluation / "per_query.parquet", columns=["subject", metric])
    baselines = {name: report.values(table, name, metric) for name in rivals}
    with Registry(registry) as book:
        generation, champion = book.generation(), book.champion()
        if champion:
            reference = _rescored(exam, world, champion, metric)
        else:
            reference = _best_baseline(baselines, contenders, evaluation)
        challenger = _register(book, world, contenders.final(model, chosen), index / model, evaluate_settings)
        asked = {"queries": settings.latency_queries, "k": LIST_LENGTH}
        latency = timing.of_gate(world, challenger, champion, contenders.final(model, PARENT), **asked)
        of_variants = timing.of_variants(world, challenger, contenders, **asked)
        evidence = Evidence(
            challenger=challenger.digest,
            reference=reference.name,
            withdrawn=challenger.digest in book.withdrawn(),
            users=exam.queries.user,
            ours=report.values(table, ours, metric),
            theirs=reference.values,
            baselines={name: values for name, values in baselines.items() if name != reference.name},
            parent=report.values(table, parent, metric),
            slices=exam.slices(),
            coverage=_coverage(evaluation, ours),
            reference_coverage=reference.coverage,
            latency_p99_ms=latency["challenger"].p99_ms,
            size_bytes=challenger.bytes,
            reference_freeze=reference.freeze,
            test_start=world.cuts.test_start,
        )
        bootstrap = Bootstrap(settings.bootstrap_samples, settings.confidence, seed)
        decision = decide(evidence, _rules(settings), bootstrap)
        _keep(book, decision, generation)
        now = book.champion()
    summary = PromoteSummary(
        decision=decision,
        model=model,
        variant=chosen,
        champion=now.digest if now else None,
        latency=latency,
        variants_latency=of_variants,
        size_bytes=challenger.bytes,
    )
    durable.write_json(reports / "decision.json", summary)
    return summary


def _register(book: Registry, world: World, model: Path, index: Path, settings: params.Evaluate) -> Version:
    with tempfile.TemporaryDirectory() as folder:
        days = settings.recent_popularity_days
        assemble(Path(folder), world, model, recent_popularity_days=days, index=index)
        servable.read(Path(folder))
        return book.register(Path(folder))


def _rescored(exam: Exam, world: World, champion: Version, metric: str) -> _Reference:
    """The champion on the challenger's own test: old figures come from other queries and prove nothing."""
    whole = servable.read(champion.path)
    scorer = Translated.of(whole.form, theirs=whole.vocabulary, ours=world.items)
    ranking = exam.take(scorer)
    coverage = exam.coverage(ranking)[f"coverage_at_{LIST_LENGTH}"]
    return _Reference(champion.digest, exam.per_query(ranking)[metric], coverage, whole.manifest.freeze)


def _best_baseline(baselines: dict[str, Values], contenders: Contenders, evaluation: Path) -> _Reference:
    """The one that is best on validation, the first by name among equals: nobody is chosen by the test."""
    if not baselines:
        raise NoReferenceError(
            "while there is no champion, evaluate.baselines must name a model besides the challenger. It names none"
        )
    worth = {name: contenders.outcomes[name].parent.validation_ndcg_at_10 for name in baselines}
    best = min(baselines, key=lambda name: (-worth[name], name))
    log.info("no champion yet: the challenger has to beat %s", best)
    return _Reference(best, baselines[best], _coverage(evaluation, best), None)


def _coverage(evaluation: Path, subject: str) -> float:
    found = msgspec.json.decode((evaluation / "metrics" / f"{subject}.json").read_bytes())
    return float(found[f"coverage_at_{LIST_LENGTH}"])


def _rules(settings: params.Promote) -> Rules:
    return Rules(**{field.name: getattr(settings, field.name) for field in fields(Rules)})


def _keep(book: Registry, decision: Decision, generation: int) -> None:
    """Records the decision on the generation it rests on: a champion that changed meanwhile makes it void."""
    said = f"{decision.result}: {', '.join(decision.reasons)}"
    facts: dict[str, Any] = {"decision": asdict(decision), "actor": ACTOR, "reason": said}
    if decision.reasons == ("same_version",):
        return
    if decision.result == "promoted":
        book.promote(decision.challenger, alias="champion", expected_generation=generation, **facts)
    else:
        generation = book.record(decision.challenger, expected_generation=generation, **facts)
        book.promote(decision.challenger, alias="challenger", expected_generation=generation, **facts)
