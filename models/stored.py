"""Retrieval models on disk: architecture.json, weights.npz, no pickle. Whatever kind a folder holds is what is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import durable
from models import architecture, retrieval, sequential
from models.architecture import Architecture, SequenceArchitecture
from models.device import Policy
from models.retrieval import Retrieval
from models.sequential import Sequential

Retriever = Retrieval | Sequential
"""A neural model: a query tower and a candidate tower, as functional Keras models, under a TFRS model."""


class WeightsError(ValueError):
    """Stored weights do not fit the architecture they lie beside."""


def build(shape: Architecture | SequenceArchitecture, *, policy: Policy = "float32") -> Retriever:
    """A model with fresh weights.

    Args:
        shape: its architecture.
        policy: what the towers compute in; weights, vectors and the loss are float32 all the same.
    """
    if isinstance(shape, Architecture):
        return retrieval.build(shape, policy=policy)
    return sequential.build(shape, policy=policy)


def weights(model: Retriever) -> dict[str, npt.NDArray[Any]]:
    """Every weight by tower and layer, the shared embedding once, as arrays of their own."""
    named = {
        f"{tower.name}/{layer.name}/{position}": value
        for tower in (model.query, model.candidate)
        for layer in tower.layers
        for position, value in enumerate(layer.get_weights())
    }
    shared = [name for name in named if name.startswith("candidate_tower/item_embedding/")]
    return {name: value for name, value in named.items() if name not in shared}


def write(model: Retriever, folder: Path) -> None:
    """Writes architecture.json and weights.npz (no pickle; the bytes depend on the values alone)."""
    folder.mkdir(parents=True, exist_ok=True)
    architecture.write(model.architecture, folder / "architecture.json")
    durable.write_arrays(folder / "weights.npz", weights(model))


def read(folder: Path) -> Retriever:
    """Builds the model that `write` wrote, with weights of its own: changing it never changes another.

    Raises:
        WeightsError: the weights do not fit the architecture, by name or by shape.
    """
    model = build(architecture.read(folder / "architecture.json"))
    with np.load(folder / "weights.npz", allow_pickle=False) as found:
        try:
            fill(model, {name: found[name] for name in found.files})
        except WeightsError as error:
            raise WeightsError(f"{folder}/weights.npz: {error}") from error
    return model


def fill(model: Retriever, values: Mapping[str, npt.NDArray[Any]]) -> None:
    """Gives a model the weights that `weights` found in another one of the same architecture.

    Raises:
        WeightsError: they do not fit, by name or by shape.
    """
    expected = {(name, value.shape) for name, value in weights(model).items()}
    found = {(name, value.shape) for name, value in values.items()}
    if found != expected:
        raise WeightsError(f"weights must fit the architecture. Differs in: {sorted(found ^ expected)}")
    for tower in (model.query, model.candidate):
        for layer in tower.layers:
            names = [f"{tower.name}/{layer.name}/{position}" for position in range(len(layer.get_weights()))]
            if all(name in values for name in names):
                layer.set_weights([values[name] for name in names])
