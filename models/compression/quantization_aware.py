"""Quantization-aware training: the model learns with the levels that it will be kept on.

Both towers compute with rounded Dense kernels (TFMOT's wrapper and quantizer) and rounded rows of the embedding they
share; gradients pass the rounding as if it were not there (straight-through, Bengio et al. 2013, arXiv 1308.3432; Jacob
et al. 2018, arXiv 1712.05877). The levels are those of the storages `tied-<bits>`, which therefore lose nothing more.
What comes out has the weights before rounding. What was pruned before stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from models import LAYER_SCOPE, stored
from models.compression.retraining import Retraining
from models.stored import Retriever


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class WeightsOnly(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]  # TFMOT has no types
    """A Dense kernel on few levels in each output channel, and nothing else.

    Args:
        bits: levels are the whole numbers from -(2^(bits-1) - 1) to 2^(bits-1) - 1 times a scale.
    """

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def get_weights_and_quantizers(self, layer: keras.layers.Dense) -> list[tuple[tf.Variable, Any]]:
        """The kernel with its quantizer."""
        quantizer = tfmot.quantization.keras.quantizers.LastValueQuantizer(
            num_bits=self.bits, per_axis=True, symmetric=True, narrow_range=True
        )
        return [(layer.kernel, quantizer)]

    def set_quantize_weights(self, layer: keras.layers.Dense, quantize_weights: Sequence[tf.Tensor]) -> None:
        """Puts the rounded kernel in the kernel's place, for one call."""
        layer.kernel = quantize_weights[0]

    def get_activations_and_quantizers(self, layer: keras.layers.Layer) -> list[Any]:  # noqa: ARG002  # TFMOT's
        """None: what layers compute stays as it is."""
        return []

    def set_quantize_activations(self, layer: keras.layers.Layer, quantize_activations: Sequence[Any]) -> None:
        """Nothing to do."""

    def get_output_quantizers(self, layer: keras.layers.Layer) -> list[Any]:  # noqa: ARG002  # TFMOT's
        """None."""
        return []

    def get_config(self) -> dict[str, int]:
        """What `from_config` needs to make the same."""
        return {"bits": self.bits}


@keras.utils.register_keras_serializable(LAYER_SCOPE)
class RoundedEmbedding(keras.layers.Embedding):  # type: ignore[misc]  # Keras has no types
    """An embedding whose rows are read on few levels, one scale a row, and learned before rounding.

    Args:
        bits: see `WeightsOnly`.
    """

    def __init__(self, *args: object, bits: int, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.bits = bits

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """int32 [...] -> float32 [..., d]."""
        rows = super().call(inputs)
        largest = tf.reduce_max(tf.abs(rows), axis=-1, keepdims=True)
        step = tf.where(largest > 0, largest / (2 ** (self.bits - 1) - 1), 1.0)
        return rows + tf.stop_gradient(tf.round(rows / step) * step - rows)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the same layer."""
        return {**super().get_config(), "bits": self.bits}


class KeepZeros(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """What is 0 in a kernel when training starts is 0 after each step, and after `restore`."""

    def __init__(self, kernels: Sequence[tf.Variable]) -> None:
        super().__init__()
        self._masks = [(kernel, tf.cast(kernel != 0, kernel.dtype)) for kernel in kernels]

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002  # Keras hands them over
        """Puts the zeros back."""
        self.restore()

    def restore(self) -> None:
        """Puts the zeros back; once more after training, which may end with averages of what the steps left."""
        for kernel, mask in self._masks:
            kernel.assign(kernel * mask)


@dataclass(frozen=True)
class Wrapped:
    """A model that computes with rounded weights, and the weights it learns."""

    model: Retriever
    embedding: RoundedEmbedding
    kernels: dict[str, tf.Variable]
    """By Dense layer, before rounding: TFMOT's wrapper puts a rounded tensor in the variable's place."""


def quantization_aware(retraining: Retraining, name: str, bits: int, *, pruned: Retriever | None = None) -> Retriever:
    """A model trained on with its weights on few levels, as a plain model with the weights before rounding.

    Args:
        retraining: of the float model.
        name: for the progress bar.
        bits: see `WeightsOnly`.
        pruned: what to start from, its zeros kept; the float model when None.
    """
    start, plain = retraining.start(), retraining.start()
    if pruned is not None:
        stored.fill(start, stored.weights(pruned))
    wrapped = wrap(start, bits)
    zeros = [KeepZeros(list(wrapped.kernels.values()))] if pruned is not None else []
    retraining.train(wrapped.model, name, zeros)
    for kept in zeros:
        kept.restore()
    stored.fill(plain, before_rounding(wrapped))
    return plain


def wrap(model: Retriever, bits: int) -> Wrapped:
    """The model computing with rounded weights; its layers are those of `model` itself, which nobody else may use."""
    found = model.query.get_layer("item_embedding")
    embedding = RoundedEmbedding.from_config({**found.get_config(), "bits": bits})
    embedding.build(None)
    embedding.set_weights(found.get_weights())
    kernels: dict[str, tf.Variable] = {}

    def wrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer is found:
            return embedding
        if isinstance(layer, keras.layers.Dense):
            kernels[layer.name] = layer.kernel
            return tfmot.quantization.keras.QuantizeWrapperV2(layer, WeightsOnly(bits), name=layer.name)
        return layer

    towers = [keras.models.clone_model(tower, clone_function=wrapped) for tower in (model.query, model.candidate)]
    return Wrapped(model.with_towers(*towers), embedding, kernels)


def before_rounding(wrapped: Wrapped) -> dict[str, npt.NDArray[Any]]:
    """The weights, by the names that `models.stored.weights` gives those of a plain model."""
    learned = {
        f"{tower.name}/{layer.name}/{position}": value
        for tower in (wrapped.model.query, wrapped.model.candidate)
        for layer in tower.layers
        for position, value in enumerate(_weights(layer, wrapped.kernels))
    }
    shared = f"{wrapped.model.candidate.name}/{wrapped.embedding.name}/"
    return {name: value for name, value in learned.items() if not name.startswith(shared)}


def _weights(layer: keras.layers.Layer, kernels: dict[str, tf.Variable]) -> list[npt.NDArray[Any]]:
    if layer.name not in kernels:
        found: list[npt.NDArray[Any]] = layer.get_weights()
        return found
    kernel = kernels[layer.name].numpy()
    return [kernel, layer.layer.bias.numpy()] if layer.layer.use_bias else [kernel]
