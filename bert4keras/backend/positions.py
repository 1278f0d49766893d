"""Sinusoidal and rotary position embeddings."""

from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.backend.masking import align
from bert4keras.backend.types import ArrayLike, Tensor


def sinusoidal_embeddings(pos: Tensor, dim: int, base: float = 10000) -> Tensor:
    """Return sines and cosines of positions, interleaved (Vaswani et al., arXiv:1706.03762).

    Args:
        pos: positions (...), integers or floats.
        dim: an even number of features.
        base: the longest wavelength is ``2 pi base``.

    Returns:
        A float32 tensor (..., dim): sin, cos, sin, cos, ...
    """
    if dim % 2:
        raise ValueError(f"Expected an even number of features, got {dim}.")
    return sin_cos(pos, np.power(base, -2.0 * np.arange(dim // 2) / dim))


def sin_cos(pos: Tensor, frequencies: ArrayLike) -> Tensor:
    """Return sines and cosines of positions at any frequencies, interleaved.

    Args:
        pos: positions (...), integers or floats.
        frequencies: n numbers, in radians from one position to the next.

    Returns:
        A float32 tensor (..., 2 n): sin, cos, sin, cos, ...
    """
    table = np.asarray(frequencies, "float32")
    angles = ops.expand_dims(ops.cast(pos, "float32"), -1) * ops.convert_to_tensor(table)
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    return ops.reshape(pairs, (*ops.shape(angles)[:-1], 2 * len(table)))


@keras.saving.register_keras_serializable("bert4keras")
class Sinusoidal(keras.initializers.Initializer):
    """Initializer of a (positions, features) table by ``sinusoidal_embeddings``.

    Learnt positions that start as small waves, ``scale=0.05``, let a model without a checkpoint
    find the neighbours of a token sooner than random positions do.

    Args:
        scale: factor of the waves, which are between -1 and 1.

    Example:
        >>> from bert4keras.backend import Sinusoidal
        >>> float(Sinusoidal(scale=0.5)((1, 4))[0, 1])  # a cosine, at position 0
        0.5
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not scale > 0:
            raise ValueError(
                f"Expected scale to be a number above 0, got {scale!r}. 0.05 is usual."
            )
        self.scale: float = scale

    def __call__(self, shape: tuple[int, int], dtype: str | None = None) -> Tensor:
        size, dim = shape
        table = self.scale * sinusoidal_embeddings(np.arange(size), dim)
        return ops.cast(table, dtype or "float32")

    def get_config(self) -> dict[str, float]:
        return {"scale": self.scale}


def apply_rotary_position_embeddings(sinusoidal: Tensor, *tensors: Tensor) -> Any:
    """Apply rotary embedding (RoPE): rotate pairs of features by position (arXiv:2104.09864).

    Pairs are neighbours (GPT-J's order), not the two halves of a vector (LLaMA's order).

    Args:
        sinusoidal: ``sinusoidal_embeddings`` of the positions, (B or 1, L, d).
        *tensors: tensors of one shape, (B, L, ..., d).

    Returns:
        The rotated tensor, or a list of them if there are several.

    Raises:
        ValueError: no tensor, or tensors of unequal shapes.
    """
    shapes = {tuple(x.shape) for x in tensors}
    if len(shapes) != 1:
        raise ValueError(f"Expected one or more tensors of equal shape, got shapes {shapes}.")
    rank = len(tensors[0].shape)
    table = align(ops.cast(sinusoidal, tensors[0].dtype), [0, 1, -1], rank)
    sin, cos = ops.repeat(table[..., ::2], 2, axis=-1), ops.repeat(table[..., 1::2], 2, axis=-1)
    outputs = [x * cos + _rotate_pairs(x) * sin for x in tensors]
    return outputs[0] if len(outputs) == 1 else outputs


def _rotate_pairs(x):
    pairs = ops.stack([-x[..., 1::2], x[..., ::2]], axis=-1)
    return ops.reshape(pairs, ops.shape(x))
