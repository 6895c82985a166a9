"""Early exit: only the first blocks of a sequence model, trained on so that what is behind them can read them.

What later blocks add to the state is left out at once, for every query: layer dropping from the top (Sajjad et al.
2023, "On the effect of dropping layers of pre-trained transformer models", arXiv 2004.03844).
"""

import msgspec

from models import stored
from models.architecture import SequenceArchitecture
from models.compression.retraining import Retraining
from models.stored import Retriever
from models.variants import NotCompressedError


class NoBlocksError(NotCompressedError):
    """There is no block that could be left out."""


def shallow(retraining: Retraining, name: str, blocks: int) -> Retriever:
    """The float model's first blocks, and all that is not in a block, trained on.

    Args:
        retraining: of the float model.
        name: for the progress bar and the error.
        blocks: that stay.

    Raises:
        NoBlocksError: the float model has no block that could be left out.
    """
    return retraining.train(first(retraining.start(), name, blocks), name)


def first(model: Retriever, name: str, blocks: int) -> Retriever:
    """The first blocks of a model, with weights of their own; see `shallow`."""
    shape = model.architecture
    found = shape.blocks if isinstance(shape, SequenceArchitecture) else 0
    if found <= blocks:
        raise NoBlocksError(
            f"variant {name!r}: needs a sequence model of more than compress.blocks = {blocks} blocks. "
            f"Received: one of {found}"
        )
    made, values = stored.build(msgspec.structs.replace(shape, blocks=blocks)), stored.weights(model)
    stored.fill(made, {weight: values[weight] for weight in stored.weights(made)})
    return made
