"""A deep and cross network by numpy: the forward pass of what `models.ranking` trains.

    x_0     = [(x - mean) / scale, clipped ; e(candidate) ; e(history)]
    x_{l+1} = x_0 * (W_l x_l + b_l) + x_l                                  a cross layer
    score   = x_0[0] + out . [x_L ; relu(V x_L + c)]

Wang et al. 2021, "DCN V2: Improved deep and cross network and practical lessons for web-scale learning to rank systems"
(WWW, arXiv 2008.13535), stacked. The first number of a pair is the retrieval's score, which the network corrects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dataset.query import Floats, Longs
from scoring.fading import Fading
from scoring.forms import FormError, required

CLIP: Final = 5.0
"""Standard deviations beyond which a number tells no more."""


@dataclass(frozen=True)
class CrossNetwork:
    """Weights of the network; a width is that of x_0."""

    mean: Floats
    """[numbers]"""
    scale: Floats
    """[numbers], above 0."""
    embedding: Floats
    """[items, d] vectors of candidates and history; d may be 0."""
    cross: Sequence[tuple[Floats, Floats]]
    """(W_l transposed [width, width], b_l [width]) of each layer."""
    hidden: tuple[Floats, Floats]
    """(V transposed [width, units], c [units])"""
    out: Floats
    """[width + units]"""

    def standardized(self, numbers: Floats) -> Floats:
        """The same shape, about -1 to 1."""
        moved: Floats = np.clip((numbers - self.mean) / self.scale, -CLIP, CLIP).astype(np.float32)
        return moved

    def scores(self, numbers: Floats, candidates: Longs, history: Fading) -> Floats:
        """[n, c], higher is better.

        Args:
            numbers: [n, c, numbers] of `scoring.pairs`, as they are.
            candidates: [n, c] item indices.
            history: of the n queries; the embedding reads it with the first half-life.
        """
        first = self.standardized(numbers)
        if self.embedding.shape[1]:
            candidate, mean = self.embedding[candidates], history.mean(self.embedding)[:, :1]
            first = np.concatenate([first, candidate, np.broadcast_to(mean, candidate.shape)], axis=-1)
        flat = first.reshape(-1, first.shape[-1])
        crossed = flat
        for kernel, bias in self.cross:
            crossed = flat * (crossed @ kernel + bias) + crossed
        hidden = np.maximum(crossed @ self.hidden[0] + self.hidden[1], 0)
        width = flat.shape[1]
        found: Floats = flat[:, 0] + crossed @ self.out[:width] + hidden @ self.out[width:]
        return found.reshape(candidates.shape)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What has to be kept."""
        kept = {"mean": self.mean, "scale": self.scale, "embedding": self.embedding, "out": self.out}
        layers = {f"cross_{number}": layer for number, layer in enumerate(self.cross)} | {"hidden": self.hidden}
        for name, (kernel, bias) in layers.items():
            kept |= {f"{name}_w": kernel, f"{name}_b": bias}
        return kept

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], *, layers: int) -> "CrossNetwork":
        """The inverse of `arrays`.

        Raises:
            FormError: an array is missing, not finite, or does not fit the others.
        """
        mean, scale, out = (required(arrays, name, ndim=1) for name in ("mean", "scale", "out"))
        embedding = required(arrays, "embedding", ndim=2)
        named = [*(f"cross_{number}" for number in range(layers)), "hidden"]
        *cross, hidden = (
            (required(arrays, f"{name}_w", ndim=2), required(arrays, f"{name}_b", ndim=1)) for name in named
        )
        width, units = len(mean) + 2 * embedding.shape[1], len(hidden[1])
        expected = {
            "scale": (scale, (len(mean),)),
            "out": (out, (width + units,)),
            "hidden_w": (hidden[0], (width, units)),
        }
        for number, (kernel, bias) in enumerate(cross):
            expected |= {f"cross_{number}_w": (kernel, (width, width)), f"cross_{number}_b": (bias, (width,))}
        for name, (array, shape) in expected.items():
            if array.shape != shape:
                raise FormError(f"{name}: shape must be {shape}. Received: {array.shape}")
        if not (scale > 0).all():
            raise FormError(f"scale: must be above 0. Received: {scale.min()}")
        return cls(mean, scale, embedding, cross, hidden, out)
