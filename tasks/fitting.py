"""Which settings make which model: params meets models. TensorFlow is imported only where a model needs it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

import params
from dataset.query import DAY_SECONDS
from dataset.world import Fold, World
from models.architecture import Architecture, Augment, SequenceArchitecture
from models.baselines import als, ease, item_knn, popularity, user_knn
from scoring.forms import Form

if TYPE_CHECKING:
    from models.fit import Fit
    from models.stored import Retriever


def neural(
    label: str,
    world: World,
    fold: Fold,
    settings: params.Neural,
    shared: params.Train,
    seed: int,
    *,
    epochs: int,
    validate: "Callable[[Retriever], float] | None",
) -> "tuple[Retriever, Fit]":
    """A neural model fitted to a fold, the same each time; `models.device.prepare` has to have been called before.

    Args:
        label: what the progress bar says.
        world: the features.
        fold: what to learn from.
        settings: the model's own.
        shared: what all neural models share; its epochs are not read.
        seed: of the weights, the batches and dropout.
        epochs: at most this many.
        validate: see `models.fit.fit`; it is asked once an epoch.

    Raises:
        models.fit.DivergedError: the loss or a weight became NaN or infinite.
        models.fit.TooFewExamplesError: training has less than a batch.
    """
    from models import device, stored, towers
    from models.fit import fit

    device.seed_everything(seed)
    with device.scope():
        model = stored.build(architecture(world, settings), policy=shared.precision)
        result = fit(
            model,
            model.data(fold.learn, fold.features, batch_size=settings.batch_size, seed=seed),
            optimizer=device.optimizer(
                settings.learning_rate,
                policy=shared.precision,
                beta_2=settings.beta_2,
                average=settings.average,
            ),
            epochs=epochs,
            patience=shared.patience,
            validate=(lambda: validate(model)) if validate else None,
            label=label,
        )
    towers.clear(model.candidate, fold.counts == 0)
    return model, result


def architecture(world: World, settings: params.Neural) -> Architecture | SequenceArchitecture:
    """A neural model's shape for this data."""
    items, categories = len(world.items), len(world.categories)
    per_item, windows = world.features.categories.shape[1], world.features.popularity.shape[2]
    dense = world.features.dense.shape[1]
    if isinstance(settings, params.TwoTower):
        return Architecture(
            num_items=items,
            num_categories=categories,
            categories_per_item=per_item,
            popularity_windows=windows,
            history_length=world.history_length,
            embedding_dim=settings.embedding_dim,
            hidden_units=settings.hidden_units,
            half_lives=settings.half_lives,
            dropout=settings.dropout,
            temperature=settings.temperature,
            dense=dense,
        )
    return SequenceArchitecture(
        num_items=items,
        num_categories=categories,
        categories_per_item=per_item,
        trends=windows if settings.trends else 0,
        history_length=world.history_length,
        stride=settings.stride,
        embedding_dim=settings.embedding_dim,
        encoder=settings.encoder,
        blocks=settings.blocks,
        half_lives=settings.half_lives,
        forward_factor=settings.forward_factor,
        head_units=settings.head_units,
        dropout=settings.dropout,
        id_dropout=settings.id_dropout,
        content=settings.content,
        timed=settings.timed,
        temperature=settings.temperature,
        negatives=settings.negatives,
        dense=dense if settings.content else 0,
        augment=_augment(settings.augment),
    )


def _augment(shares: params.Augment) -> Augment | None:
    """None where nothing is changed, so that such a model is the same as one from before there was a choice."""
    if shares.crop == shares.mask == shares.reorder == 0:
        return None
    return Augment(crop=shares.crop, mask=shares.mask, reorder=shares.reorder)


def baseline(fold: Fold, num_items: int, settings: params.Baseline, *, seed: int, threads: int) -> Form:
    """A fitted baseline."""
    match settings:
        case params.PopularityModel(window_days=days):
            window = days * DAY_SECONDS or None
            return popularity.fit(fold.known, num_items, freeze=fold.freeze, window_seconds=window)
        case params.ContentBased():
            from models.baselines import content  # scikit-learn, a second that no other model waits for

            return content.fit(fold.features, fold.catalogue, **_given(settings))
        case params.ALS():
            return als.fit(fold.known, num_items, **_given(settings), seed=seed)
        case params.FactorizationMachine():
            from models import factorization

            return factorization.fit(fold, **_given(settings), seed=seed, threads=threads)
        case params.MultVAE():
            from models import mult_vae

            return mult_vae.fit(fold, **_given(settings), seed=seed, threads=threads)
        case params.UserKNN():
            return user_knn.fit(fold.known, num_items, **_given(settings))
        case params.ItemKNN():
            return item_knn.fit(fold.known, num_items, **_given(settings))
        case params.Ease(trend_days=days):
            given = _given(settings) | {"trend_seconds": days * DAY_SECONDS}
            del given["trend_days"]
            return ease.fit(fold.known, num_items, freeze=fold.freeze, **given)


def _given(settings: params.Baseline) -> dict[str, Any]:
    """The settings by name, which are the fit's arguments; a half-life of 0 stands for none."""
    given = msgspec.structs.asdict(settings)
    return given | {"half_life": given["half_life"] or np.inf}
