"""timing: how long single queries take, asked of what would be served. Not a stage: no two runs measure the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dataset.query import Queries
from dataset.world import World
from evaluation.translate import translate
from models.variants import PARENT
from promotion.registry import Version
from scoring import folder as form_folder
from serving import servable
from serving.latency import Latency, measure
from serving.runtime import Runtime
from serving.servable import Servable
from tasks.contenders import Contenders, subject


def of_gate(
    world: World, challenger: Version, champion: Version | None, parent: Path, *, queries: int, k: int
) -> dict[str, Latency]:
    """challenger, parent and, if there is one, champion, asked in turns.

    Args:
        world: the features.
        challenger: what may be promoted.
        champion: what is served now.
        parent: folder of the challenger's float model.
        queries: so many, taken evenly from the test.
        k: length of the lists.

    Raises:
        serving.servable.ServableError: a version cannot be read.
    """
    asked, ours = _asked(world, queries), servable.read(challenger.path)
    contestants = {"challenger": (Runtime(ours), asked), "parent": (_with_form(ours, parent), asked)}
    if champion:
        theirs = servable.read(champion.path)
        contestants["champion"] = (Runtime(theirs), translate(asked, theirs.vocabulary.index(world.items.ids)))
    return measure(contestants, k=k)


def of_variants(
    world: World, challenger: Version, contenders: Contenders, *, queries: int, k: int
) -> dict[str, Latency]:
    """Subject -> latency of every variant of the models that have more than one; those of one model in turns.

    Args:
        world: the features.
        challenger: lends its catalogue and vocabulary, which are the same for all.
        contenders: whose variants.
        queries: so many, taken evenly from the test.
        k: length of the lists.

    Raises:
        serving.servable.ServableError: the version cannot be read.
    """
    asked, whole = _asked(world, queries), servable.read(challenger.path)
    found: dict[str, Latency] = {}
    for model, outcome in contenders.outcomes.items():
        names = [variant.name for variant in outcome.measured]
        if names != [PARENT]:
            runtimes = {
                subject(model, name): (_with_form(whole, contenders.final(model, name)), asked) for name in names
            }
            found |= measure(runtimes, k=k)
    return found


def _asked(world: World, queries: int) -> Queries:
    asked = world.final.ask
    return asked[np.linspace(0, len(asked) - 1, queries).astype(np.int64)]


def _with_form(whole: Servable, folder: Path) -> Runtime:
    return Runtime(replace(whole, form=form_folder.read(folder)[1], nearest=None))
