"""The ways to keep a trained model: for each, the form in which it would be served.

float32             query tower and item table as they were trained
float16             both in 16 bits
int8                LiteRT dynamic range: weights in 8 bits, and what a dense layer reads as well; item table in 8
full-int8           LiteRT full integer: all that has an integer kernel, scaled by what it saw for known queries
tied-8, -7, -6, -4  one table for both towers; its numbers and all dense weights in so many bits, one scale a row
tied-low-rank, tied-product, tied-by-popularity, tied-hashed
dense weights in 8 bits, the table as `models.compression.embeddings` says
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from dataset.batches import CandidateFeatures
from dataset.query import Floats, Queries
from models import export, stored
from models.architecture import SequenceArchitecture
from models.compression import embeddings, litert
from models.compression.embeddings import Counts, Keep
from models.stored import Retriever
from models.towers import without_embedding
from scoring.forms import Form
from scoring.quantize import quantize_rows
from scoring.tables import Table
from scoring.tied import Tied
from scoring.tower import Tower

CALIBRATING: Final = 100
"""Queries that a full integer model is scaled by."""


@dataclass(frozen=True)
class Known:
    """What a form needs beside the weights."""

    items: CandidateFeatures
    """Of all items at the freeze."""
    counts: Counts
    """[items] how often each was taken."""
    asked: Queries
    """Some to calibrate and to compare with."""


class Unconverted(Protocol):
    """A model that Keras computes."""

    def scores(self, queries: Queries) -> Floats:
        """[n, items]."""
        ...


def float32(model: Retriever, known: Known) -> Form:
    """As it was trained."""
    return export.tower(model, known.items)


def float16(model: Retriever, known: Known) -> Form:
    """Both halves in 16 bits."""
    flatbuffer = export.convert(model.served(), export.Precision.FLOAT16)
    return _tower(model, flatbuffer, Table(model.item_vectors(known.items).astype(np.float16)))


def int8(model: Retriever, known: Known) -> Form:
    """Dynamic range."""
    return _tower(model, export.convert(model.served(), export.Precision.INT8), _eight_bits(model, known))


def full_int8(model: Retriever, known: Known) -> Form:
    """Full integer, calibrated."""
    count = min(CALIBRATING, len(known.asked))
    asked = known.asked[np.linspace(0, len(known.asked) - 1, count).astype(np.int64)]
    inputs = asked.inputs(model.architecture.history_length)
    flatbuffer = export.convert(model.served(), export.Precision.FULL_INT8, calibrate=inputs)
    return _tower(model, flatbuffer, _eight_bits(model, known))


def tied(bits: int, keep: Keep) -> Callable[[Retriever, Known], Form]:
    """One table for both towers.

    Args:
        bits: of the dense weights.
        keep: how the table is kept.
    """

    def form(model: Retriever, known: Known) -> Form:
        shape = model.architecture
        embedding = model.query.get_layer("item_embedding").get_weights()[0]
        return Tied(
            encoder=litert.weights_only(model.encoder(), bits),
            candidate=litert.weights_only(without_embedding(model.candidate), bits),
            embedding=keep(embedding, known.counts),
            features={name: _narrow(values) for name, values in _read(model, known.items).items()},
            trends=shape.trends if isinstance(shape, SequenceArchitecture) else 0,
            history_length=shape.history_length,
        )

    return form


def as_it_is(model: Retriever, known: Known) -> Unconverted:
    """The model."""
    return model.frozen(known.items)


def halved(model: Retriever, known: Known) -> Unconverted:
    """The model with its weights rounded to 16 bits."""
    return _with(model, lambda weight: weight.astype(np.float16).astype(weight.dtype)).frozen(known.items)


def narrowed(bits: int, keep: Keep) -> Callable[[Retriever, Known], Unconverted]:
    """The model with the weights of `tied`, and what is known of the items in its width."""

    def unconverted(model: Retriever, known: Known) -> Unconverted:
        made = _with(model, lambda weight: weight)
        for layer in (*made.query.layers, *made.candidate.layers):
            if isinstance(layer, keras.layers.Dense):
                # The converter rounds to 8 bits whatever was rounded before.
                layer.kernel.assign(litert.rounded(litert.rounded(layer.kernel.numpy(), bits), litert.WIDEST))
        embedding = made.query.get_layer("item_embedding")
        embedding.set_weights([keep(embedding.get_weights()[0], known.counts).wide()])
        read = {name: _narrow(values).astype(values.dtype) for name, values in _read(model, known.items).items()}
        return made.frozen(replace(known.items, **read))

    return unconverted


@dataclass(frozen=True)
class Storage:
    """A way to keep a model, and what it claims."""

    form: Callable[[Retriever, Known], Form]
    claim: float | None
    """Largest share of the bytes of `float32` that it may take; None where it claims nothing."""
    unconverted: Callable[[Retriever, Known], Unconverted]
    """What Keras computes with the same weights."""
    parity: float | None = 0.99
    """Share of queries that have to be answered alike, see `models.compression.parity`. It is low where layers' inputs
    are rounded as well, which Keras does not do; None where all that they compute is, and quality alone judges."""


def _tied(bits: int, keep: Keep) -> Storage:
    return Storage(tied(bits, keep), 0.5, narrowed(bits, keep))


STORAGES: Final[dict[str, Storage]] = {
    "float32": Storage(float32, None, as_it_is),
    "float16": Storage(float16, 0.6, halved),
    "int8": Storage(int8, 0.5, as_it_is, 0.3),
    "full-int8": Storage(full_int8, 0.5, as_it_is, None),
    "tied-8": _tied(8, embeddings.levels(8)),
    "tied-7": _tied(7, embeddings.levels(7)),
    "tied-6": _tied(6, embeddings.levels(6)),
    "tied-4": _tied(4, embeddings.levels(4)),
    "tied-low-rank": _tied(8, embeddings.low_rank),
    "tied-product": _tied(8, embeddings.product),
    "tied-by-popularity": _tied(8, embeddings.by_popularity),
    "tied-hashed": _tied(8, embeddings.hashed),
}


def _with(model: Retriever, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Retriever:
    """The same model with each weight changed, and all of them its own."""
    made = stored.build(model.architecture)
    stored.fill(made, {name: change(weight) for name, weight in stored.weights(model).items()})
    return made


def _tower(model: Retriever, flatbuffer: bytes, vectors: Table) -> Tower:
    return Tower(np.frombuffer(flatbuffer, np.uint8), vectors, model.architecture.history_length)


def _eight_bits(model: Retriever, known: Known) -> Table:
    return Table(*quantize_rows(model.item_vectors(known.items)))


def _read(model: Retriever, items: CandidateFeatures) -> dict[str, npt.NDArray[Any]]:
    """What of the items has to be kept: what the candidate tower reads, and the trends."""
    names = {*model.candidate.input, *(("popularity",) if getattr(model.architecture, "trends", 0) else ())}
    return {name: values for name, values in items.inputs().items() if name in names - {"item"}}


def _narrow(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """In the fewest bytes that hold it: features are of the order of 1, and integers are what they are."""
    if values.dtype.kind == "f":
        return values.astype(np.float16)
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
