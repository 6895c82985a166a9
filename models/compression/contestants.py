"""The contestants of the compression tournament, each made from the float model's files and never from its memory.

A contestant is a way to train on and a way to keep what comes out (`models.compression.storage`). Ways to train on:

    untrained                  not at all: the float model, as it was trained
    control                    as the others, compressing nothing: what the extra epochs alone do
    pruned                     while its smallest Dense weights go along a polynomial schedule
    pruned-constant            the same, all at once
    pruned-two-of-four         two of each four weights
    clustered                  each Dense kernel on a few values
    quantization-aware         both towers on few levels
    pruned-quantization-aware  pruned, then that
    distilled                  not the float model, but a smaller one with fresh weights that it teaches
    shallow                    its first blocks alone

Its name is the way to keep it where it was not trained on, the way it was trained on where all is kept, otherwise both:
`tied-8`, `pruned`, `pruned-tied-8`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models import device, stored
from models.compression import clustering, parity, pruning
from models.compression.clustering import clustered
from models.compression.distillation import Student, Teaching, distilled
from models.compression.early_exit import shallow
from models.compression.pruning import Pattern, pruned
from models.compression.quantization_aware import quantization_aware
from models.compression.retraining import Retraining, Tally
from models.compression.storage import STORAGES, Known
from models.stored import Retriever
from models.variants import CONTROL, PARENT, UNTRAINED, NotCompressedError
from scoring.forms import Form


class BaselineMovedError(RuntimeError):
    """Making a contestant changed the weights of the float model."""


@dataclass(frozen=True)
class Amounts:
    """How much is taken away."""

    sparsity: float
    """Share of zeros in the Dense kernels after pruning, 0..1."""
    clusters: int
    """Distinct values of a Dense kernel after clustering."""
    bits: int
    """Of quantization-aware training."""
    blocks: int
    """That a shallow model keeps."""
    student: Student
    teaching: Teaching


@dataclass(frozen=True)
class Contestant:
    """A model in the form in which it would be served."""

    name: str
    form: Form
    sparsity: float
    """Share of zeros in the Dense kernels, 0..1, as counted."""
    trained_on: bool
    """Whether it had more epochs than the float model, and so is to be compared with the control as well."""
    claim: float | None
    """Largest share of the float model's bytes that it may have; None where it claims nothing."""
    cost: Tally
    """Of all that it was trained on."""


def _pruned(pattern: Pattern) -> Callable[[Retraining, str, Amounts], Retriever]:
    def train(retraining: Retraining, name: str, amounts: Amounts) -> Retriever:
        model = pruned(retraining, name, pattern, amounts.sparsity)
        wanted, received = amounts.sparsity if pattern is not Pattern.TWO_OF_FOUR else 0.5, pruning.sparsity(model)
        if received < wanted - 0.01:
            raise NotCompressedError(
                f"variant {name!r}: sparsity must be {wanted} after pruning. Received: {received:.3f}. Raise "
                "compress.fine_tune_epochs, so that the schedule comes to its end"
            )
        return model

    return train


def _clustered(retraining: Retraining, name: str, amounts: Amounts) -> Retriever:
    model = clustered(retraining, name, amounts.clusters)
    received = clustering.values(model)
    if received > amounts.clusters:
        raise NotCompressedError(
            f"variant {name!r}: a kernel must have at most {amounts.clusters} values. Received: {received}"
        )
    return model


def _pruned_quantization_aware(retraining: Retraining, name: str, amounts: Amounts) -> Retriever:
    first = _pruned(Pattern.POLYNOMIAL)(retraining, name, amounts)
    return quantization_aware(retraining, name, amounts.bits, pruned=first)


TRAININGS: Final[dict[str, Callable[[Retraining, str, Amounts], Retriever]]] = {
    UNTRAINED: lambda retraining, *_: retraining.start(),
    CONTROL: lambda retraining, name, _: retraining.train(retraining.start(), name),
    "pruned": _pruned(Pattern.POLYNOMIAL),
    "pruned-constant": _pruned(Pattern.CONSTANT),
    "pruned-two-of-four": _pruned(Pattern.TWO_OF_FOUR),
    "clustered": _clustered,
    "quantization-aware": lambda retraining, name, amounts: quantization_aware(retraining, name, amounts.bits),
    "pruned-quantization-aware": _pruned_quantization_aware,
    "distilled": lambda retraining, name, amounts: distilled(retraining, name, amounts.student, amounts.teaching),
    "shallow": lambda retraining, name, amounts: shallow(retraining, name, amounts.blocks),
}


def contestants(
    retraining: Retraining, known: Known, wanted: Iterable[tuple[str, Sequence[str]]], amounts: Amounts
) -> Iterator[Contestant]:
    """Makes the contestants of one fit, one after the other.

    Args:
        retraining: of the float model.
        known: what forms need beside the weights.
        wanted: ways to train on -> ways to keep what comes out.
        amounts: how much is taken away.

    Raises:
        NotCompressedError: a pruned model does not have the wanted sparsity, or a model no block to leave out.
        models.compression.parity.ParityError: a converted model does not list what the unconverted one lists.
        BaselineMovedError: the float model changed on the way.
    """
    parent = retraining.start()
    before = stored.weights(parent)
    asked = dict(wanted)
    # In an order of their own: that of a mapping says nothing, and YAML's writers sort it.
    for training in (training for training in TRAININGS if training in asked):
        counted = replace(retraining, tally=Tally())
        device.seed_everything(retraining.seed)  # or a contestant would depend on which others there are
        model = parent if training == UNTRAINED else TRAININGS[training](counted, training, amounts)
        for storage in (storage for storage in STORAGES if storage in asked[training]):
            name, keep = named(training, storage), STORAGES[storage]
            trained_on = training != UNTRAINED
            form, zeros = keep.form(model, known), pruning.sparsity(model)
            parity.check(name, form, keep, model, known)
            yield Contestant(name, form, zeros, trained_on, keep.claim, counted.tally)
    if any(not np.array_equal(before[name], value) for name, value in stored.weights(parent).items()):
        raise BaselineMovedError(f"{retraining.folder}: a contestant shares weights with the float model")


def named(training: str, storage: str) -> str:
    """A contestant's name."""
    if training == UNTRAINED:
        return storage
    return training if storage == PARENT else f"{training}-{storage}"
