"""Weights of a layer as a checkpoint holds them: LoRA is merged, quantized layers are refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from bert4keras.backend.types import NDArray


@dataclass(frozen=True)
class StoredWeight:
    """Weight of a layer, with the LoRA that Keras adds to it.

    Args:
        weight: a variable of the layer.
        lora: the factors a and b, and their scale; None without LoRA.
    """

    weight: Any
    lora: tuple[Any, Any, float] | None = None

    def read(self) -> NDArray:
        """Return the value: w, or w + scale a b (arXiv:2106.09685)."""
        array = ops.convert_to_numpy(self.weight)
        if self.lora is None:
            return array
        a, b = (ops.convert_to_numpy(x).astype("float32") for x in self.lora[:2])
        return (array.astype("float32") + self.lora[2] * np.matmul(a, b)).astype(array.dtype)


def merge_lora(layer: Any) -> list[StoredWeight]:
    """List the weights of a layer in their order, those of LoRA merged into their kernels.

    Args:
        layer: a Keras layer, with or without inner layers.
    """
    loras, factors = {}, set()
    for inner in _lora_layers(layer):
        name = "kernel" if hasattr(inner, "lora_kernel_a") else "embeddings"
        a, b = getattr(inner, f"lora_{name}_a"), getattr(inner, f"lora_{name}_b")
        factors |= {id(a), id(b)}
        loras[id(getattr(inner, f"_{name}"))] = (a, b, inner.lora_alpha / inner.lora_rank)
    weights = [weight for weight in layer.weights if id(weight) not in factors]
    return [StoredWeight(weight, loras.get(id(weight))) for weight in weights]


def check_writable_layer(layer: Any, variables: Sequence[str], weights: Sequence[Any]) -> None:
    """Raise a ValueError if a checkpoint has no names for the weights of a layer.

    Args:
        layer: a Keras layer.
        variables: the names of its variables in checkpoints.
        weights: its weights, without LoRA.
    """
    for inner in _quantized_layers(layer):
        raise ValueError(
            f"Expected weights in floating point to write, got {_name(layer, inner)} quantized to "
            f"{inner.quantization_mode}. Write the checkpoint before model.quantize(...), or save "
            "the quantized model with model.save."
        )
    if len(weights) != len(variables):
        paths = ", ".join(weight.weight.path for weight in weights)
        raise ValueError(
            f"Expected {len(variables)} weights in {layer.name}, as checkpoints have, got "
            f"{len(weights)}: {paths}. Pass mapping=... with a name for each, or save the "
            "whole model with model.save."
        )


def check_loadable_layer(layer: Any) -> None:
    """Raise a ValueError if a layer has LoRA or is quantized: a checkpoint does not fit it."""
    for inner in _quantized_layers(layer):
        raise ValueError(
            f"Expected weights in floating point to load into, got {_name(layer, inner)} quantized "
            f"to {inner.quantization_mode}. Load the checkpoint first, then call model.quantize."
        )
    for inner in _lora_layers(layer):
        raise ValueError(
            f"Expected a layer without LoRA to load into, got {_name(layer, inner)} with LoRA of "
            f"rank {inner.lora_rank}. Load the checkpoint first, then call enable_lora."
        )


def _lora_layers(layer):
    return [x for x in layer._flatten_layers() if getattr(x, "lora_enabled", False)]


def _quantized_layers(layer):
    inner_layers = layer._flatten_layers()
    return [x for x in inner_layers if x.weights and getattr(x, "quantization_mode", None)]


def _name(layer, inner):
    return layer.name if inner is layer else f"{layer.name}/{inner.name}"
