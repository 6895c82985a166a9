"""tune: better settings for one model, searched with Optuna on the selection fold alone.

A trial learns from train and is measured on validation as `tasks.train` does it, early stopping included; nothing is
fitted to or asked of the test, and nothing is written but the study. The best settings are a proposal: they become the
model's when somebody writes them into params.yaml, and the model then has to win its place like any other.
"""

import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import digest
import params
from dataset.batches import CandidateFeatures
from dataset.world import World
from tasks import fitting
from tasks.train import NothingToAskError, validation_ndcg
from tuning import report
from tuning.report import Tuned
from tuning.search import Objective, Report, search
from tuning.space import Space
from tuning.study import opened

log = logging.getLogger(__name__)


class TuneError(ValueError):
    """There is nothing to tune, or nothing to tune it on."""


def tune(*, features: Path, tuning: Path, settings: params.Tune, train_settings: params.Train, seed: int) -> Tuned:
    """Adds trials to the study of `settings.model` and writes what it has come to.

    Args:
        features: the features folder.
        tuning: holds a folder for each model's study; see `tuning.report.Tuned`.
        settings: which model, how many trials, and where to look.
        train_settings: the models, and what neural ones share.
        seed: of what is drawn, and of every fit.

    Raises:
        TuneError: the model has no search space, or there are no features.
        NothingToAskError: validation has no queries.
        tuning.study.StudyError: the study was begun with other data or settings, or another process has it.
        tuning.space.SpaceError: the sampler is a grid and the space has no end.
        tuning.report.NothingFoundError: no trial came to its end.
    """
    name = settings.model
    if name not in settings.space:
        raise TuneError(f"the model must be one of tune.space: {', '.join(settings.space)}. Received: {name}")
    if not features.is_dir():
        raise TuneError(f"{features} must hold the features. Run `dvc repro featurize` first")
    known = digest.of_folder(features)
    world = World.read(features)
    if len(world.validation) == 0:
        raise NothingToAskError("the validation part must have at least one query. Raise split.validation_share")
    model = train_settings.models[name]
    space = Space(model, settings.space[name])
    if isinstance(model, params.Neural):
        objective = _neural(world, name, train_settings, seed)
        shared = [train_settings.epochs, train_settings.patience, train_settings.precision]
    else:
        objective, shared = _baseline(world, train_settings, seed), []
    asked: dict[str, object] = {"features": known, f"tune.space.{name}": settings.space[name]}
    asked |= {f"train.models.{name}": space.fixed(), "epochs, patience, precision": shared}
    asked["threads, seed"] = [train_settings.threads, seed]  # sums depend on how many threads they are split for
    with opened(tuning / name, name=name, asked=asked) as study:
        search(study, space, objective, settings=settings, epochs=train_settings.epochs, seed=seed)
        return report.write(study, space, tuning / name)


def _baseline(world: World, shared: params.Train, seed: int) -> Objective:
    def measured(settings: params.ModelSection, told: Report) -> float:
        assert isinstance(settings, params.Baseline)
        form = fitting.baseline(world.selection, len(world.items), settings, seed=seed, threads=shared.threads)
        metric = validation_ndcg(world, form)
        told(1, metric)
        return metric

    return measured


def _neural(world: World, name: str, shared: params.Train, seed: int) -> Objective:
    from models import device
    from models.stored import Retriever

    device.prepare(seed=seed, threads=shared.threads)
    then = CandidateFeatures.catalogue(world.selection_features, world.selection.freeze)

    def watched(told: Report) -> Callable[[Retriever], float]:
        epochs = itertools.count(1)

        def validate(model: Retriever) -> float:
            metric = validation_ndcg(world, model.frozen(then))
            told(next(epochs), metric)
            return metric

        return validate

    def measured(settings: params.ModelSection, told: Report) -> float:
        assert isinstance(settings, params.Neural)
        device.forget()
        fold, validate = world.selection, watched(told)
        _, best = fitting.neural(name, world, fold, settings, shared, seed, epochs=shared.epochs, validate=validate)
        return best.metric

    return measured
