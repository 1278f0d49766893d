"""Activations, and ``custom_objects``: the names that configs store them by."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from bert4keras.backend.dispatch import backend_name
from bert4keras.backend.losses import multilabel_categorical_crossentropy
from bert4keras.backend.positions import Sinusoidal
from bert4keras.backend.types import Tensor


@keras.saving.register_keras_serializable("bert4keras")
def gelu_erf(x: Tensor) -> Tensor:
    """GELU by the error function (Hendrycks & Gimpel, arXiv:1606.08415).

    Half precision is computed in float32 and rounded once: exact, and faster with TensorFlow on a
    CPU.
    """
    if backend_name == "torch":  # computes in float32 by itself
        return ops.gelu(x, approximate=False)
    wide = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
    return ops.cast(ops.gelu(wide, approximate=False), x.dtype)


@keras.saving.register_keras_serializable("bert4keras")
def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by its approximation with tanh (Hendrycks & Gimpel, arXiv:1606.08415)."""
    return ops.gelu(x, approximate=True)


@keras.saving.register_keras_serializable("bert4keras")
def swish(x: Tensor) -> Tensor:
    """x * sigmoid(x), also called SiLU (arXiv:1710.05941)."""
    return ops.silu(x)


@keras.saving.register_keras_serializable("bert4keras")
def leaky_relu(x: Tensor, alpha: float = 0.2) -> Tensor:
    """Rectifier with the slope ``alpha`` below zero."""
    return ops.leaky_relu(x, negative_slope=alpha)


@keras.saving.register_keras_serializable("bert4keras")
def root_mean_square(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the square root of the mean square over ``axis``."""
    return ops.sqrt(ops.mean(ops.square(x), axis=axis, keepdims=keepdims))


def set_gelu(version: str) -> None:
    """Choose the GELU that the string ``"gelu"`` names in models and layers built afterwards.

    Args:
        version: "erf" (the default of the library) or "tanh", in any case.

    Example:
        >>> from bert4keras.backend import set_gelu
        >>> set_gelu("tanh")
        >>> set_gelu("erf")
    """
    versions = {"erf": gelu_erf, "tanh": gelu_tanh}
    if version.lower() not in versions:
        raise ValueError(f"Expected version 'erf' or 'tanh', got {version!r}.")
    custom_objects["gelu"] = versions[version.lower()]


def get_activation(identifier: str | Callable[..., Any] | None) -> Callable[..., Any]:
    """Return the activation of a name; callables and None as Keras takes them.

    Raises:
        ValueError: neither ``custom_objects`` nor Keras has the name.
    """
    if isinstance(identifier, str) and identifier in custom_objects:
        return custom_objects[identifier]
    return keras.activations.get(identifier)


def activation_config(function: Callable[..., Any]) -> Any:
    """Return the name that a config stores for an activation; ``get_activation`` reads it."""
    names = {gelu_erf: "gelu_erf", gelu_tanh: "gelu_tanh", swish: "swish", leaky_relu: "leaky_relu"}
    return names.get(function) or keras.activations.serialize(function)


# inherited: what ``keras.saving.custom_object_scope`` takes, and what ``set_gelu`` changes
custom_objects: dict[str, Any] = {
    "gelu_erf": gelu_erf,
    "gelu_tanh": gelu_tanh,
    "gelu": gelu_erf,
    "root_mean_square": root_mean_square,
    "swish": swish,
    "leaky_relu": leaky_relu,
    "Sinusoidal": Sinusoidal,
    "multilabel_categorical_crossentropy": multilabel_categorical_crossentropy,
    "initializer": keras.initializers.GlorotUniform,
}
