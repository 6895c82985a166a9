"""The ways to keep a trained model: for each, the form in which it would be served.

float32             query tower and item table as they were trained
float16             both in 16 bits
int8                LiteRT dynamic range: weights in 8 bits, and what a dense layer reads as well; item table in 8
full-int8           LiteRT full integer: all that has an integer kernel, scaled by what it saw for known queries
tied-8, -6, -4      one table for both towers; its numbers and all dense weights in so many bits, one scale a row
tied-low-rank, tied-product, tied-by-popularity, tied-hashed
dense weights in 8 bits, the table as `models.compression.embeddings` says
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dataset.batches import CandidateFeatures
from dataset.query import Queries
from models import export
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


@dataclass(frozen=True)
class Known:
    """What a form needs beside the weights."""

    items: CandidateFeatures
    """Of all items at the freeze."""
    counts: Counts
    """[items] how often each was taken."""
    asked: Queries
    """Some to calibrate with."""


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
    inputs = known.asked.inputs(model.architecture.history_length)
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


@dataclass(frozen=True)
class Storage:
    """A way to keep a model, and what it claims."""

    form: Callable[[Retriever, Known], Form]
    claim: float | None
    """Largest share of the bytes of `float32` that it may take; None where it claims nothing."""


STORAGES: Final[dict[str, Storage]] = {
    "float32": Storage(float32, None),
    "float16": Storage(float16, 0.6),
    "int8": Storage(int8, 0.5),
    "full-int8": Storage(full_int8, 0.5),
    "tied-8": Storage(tied(8, embeddings.levels(8)), 0.5),
    "tied-6": Storage(tied(6, embeddings.levels(6)), 0.5),
    "tied-4": Storage(tied(4, embeddings.levels(4)), 0.5),
    "tied-low-rank": Storage(tied(8, embeddings.low_rank), 0.5),
    "tied-product": Storage(tied(8, embeddings.product), 0.5),
    "tied-by-popularity": Storage(tied(8, embeddings.by_popularity), 0.5),
    "tied-hashed": Storage(tied(8, embeddings.hashed), 0.5),
}


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
