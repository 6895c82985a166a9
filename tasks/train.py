"""train: the retrieval model twice, once to be selected on validation and once more on all that lies before the test.

`selection` learns from train alone and stops early on the validation metric. `final` has the same settings, learns from
train and validation for as many epochs as selection found best, and is what gets compressed, tested and served: without
the last weeks before the test it would be stale before it starts. Neither sees anything of the test.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tf_keras as keras

import digest
import durable
import params
from dataset.batches import CandidateFeatures, examples
from dataset.query import Queries
from dataset.world import World
from evaluation.metrics import accuracy
from evaluation.protocol import rank
from models import device, retrieval
from models.architecture import Architecture
from models.fit import Fit, TooFewExamplesError, batches, fit
from models.retrieval import Frozen, Retrieval

log = logging.getLogger(__name__)

VALIDATION_CUTOFF = 10
"""Early stopping looks at NDCG at this k."""
CHUNK = 1024


@dataclass(frozen=True)
class TrainSummary:
    """What training came to."""

    epochs: int
    """Of the selection fit's best weights, and of the final fit."""
    validation_ndcg_at_10: float
    examples: int
    """Of the final fit."""
    weights_sha256: str


def train(*, features: Path, model: Path, settings: params.Train, seed: int) -> TrainSummary:
    """Fits both models and writes `selection/` and `final/` (see `models.retrieval.write`) and summary.json.

    Nothing is written unless both fits end well.

    Raises:
        models.fit.DivergedError: the loss or a weight became NaN or infinite.
        models.fit.TooFewExamplesError: training has less than a batch, or validation nothing to ask.
    """
    world = World.read(features)
    device.prepare(seed=seed, threads=settings.threads)
    shape = architecture(world, settings)
    selection, selected = _fit(
        shape, world, world.train, settings, seed, epochs=settings.epochs, validate=validation_metric(world)
    )
    everything = world.before_test()
    final, _ = _fit(shape, world, everything, settings, seed, epochs=selected.epochs, validate=None)
    retrieval.write(selection, model / "selection")
    retrieval.write(final, model / "final")
    summary = TrainSummary(
        epochs=selected.epochs,
        validation_ndcg_at_10=selected.metric,
        examples=int(everything.known().sum()),
        weights_sha256=digest.of_file(model / "final" / "weights.npz"),
    )
    durable.write_json(model / "summary.json", summary)
    return summary


def architecture(world: World, settings: params.Train) -> Architecture:
    """The model's shape for this data."""
    return Architecture(
        num_items=len(world.items),
        num_categories=len(world.categories),
        categories_per_item=world.features.categories.shape[1],
        popularity_windows=world.features.popularity.shape[2],
        history_length=world.history_length,
        embedding_dim=settings.embedding_dim,
        hidden_units=settings.hidden_units,
        half_lives=settings.half_lives,
        dropout=settings.dropout,
        temperature=settings.temperature,
    )


def validation_metric(world: World) -> Callable[[Retrieval], float]:
    """Mean NDCG@10 of a model on the validation queries, frozen at the start of validation."""
    freeze = world.cuts.validation_start
    if len(world.validation) == 0:
        raise TooFewExamplesError(
            "the validation part must have at least one query, an item new to its user. Received: 0. "
            "Raise split.validation_share, or bring a longer log"
        )
    catalogue, items = world.catalogue(freeze), CandidateFeatures.catalogue(world.features, freeze)

    def metric(model: Retrieval) -> float:
        ranking = rank(Frozen(model, items), world.validation, catalogue, k=VALIDATION_CUTOFF, chunk_size=CHUNK)
        return float(accuracy(ranking.rank, [VALIDATION_CUTOFF])[f"ndcg_at_{VALIDATION_CUTOFF}"].mean())

    return metric


def _fit(
    shape: Architecture,
    world: World,
    queries: Queries,
    settings: params.Train,
    seed: int,
    *,
    epochs: int,
    validate: Callable[[Retrieval], float] | None,
) -> tuple[Retrieval, Fit]:
    keras.utils.set_random_seed(seed)
    data = batches(examples(queries, world.features, shape.history_length), batch_size=settings.batch_size, seed=seed)
    with device.scope():
        model = retrieval.build(shape, mixed_precision=settings.mixed_precision)
        optimizer = device.optimizer(settings.learning_rate, mixed=settings.mixed_precision)
        result = fit(
            model,
            data,
            optimizer=optimizer,
            epochs=epochs,
            patience=settings.patience,
            validate=(lambda: validate(model)) if validate else None,
            label="selection fit" if validate else "final fit",
        )
    return model, result
