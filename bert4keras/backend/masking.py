"""Masks: put a value where the padding mask, or a mask of attention, hides.

Attention scores meet both here. The padding mask (B, L) says which keys are text; a boolean bias
(B or 1, Lq, Lk), such as the causal mask, says which key each query may see.
"""

from typing import Any

import keras
from keras import ops

from bert4keras.backend.types import Tensor


def align(tensor: Tensor, axes: list[int], ndim: int | None = None) -> Tensor:
    """Insert axes of size 1 so that axis i of ``tensor`` becomes axis ``axes[i]``.

    Args:
        tensor: a tensor with ``len(axes)`` axes.
        axes: rising positions in the result; negative ones need ``ndim``.
        ndim: number of axes of the result; by default the last of ``axes`` is the last axis.

    Example:
        >>> from bert4keras.backend import K, align
        >>> K.int_shape(align(K.zeros((2, 5)), [0, -1], 4))
        (2, 1, 1, 5)
    """
    if len(tensor.shape) != len(axes) or (ndim is None and min(axes) < 0):
        raise ValueError(
            f"align needs one position for each of the {len(tensor.shape)} axes, and `ndim` with "
            f"negative positions; got axes={axes}, ndim={ndim}"
        )
    ndim = ndim or max(axes) + 1
    positions = [axis % ndim for axis in axes]
    missing = [axis for axis in range(ndim) if axis not in positions]
    return ops.expand_dims(tensor, missing) if missing else tensor


def sequence_masking(
    x: Tensor,
    mask: Tensor | None = None,
    value: float | str = 0,
    axis: int | list[int] | None = None,
    bias: Tensor | None = None,
    return_mask: bool = False,
) -> Any:
    """Put ``value`` where the padding mask or a boolean bias hides; add any other bias.

    Args:
        x: a tensor (B, ...).
        mask: padding mask (B, L), true where visible; None hides nothing.
        value: a number; ``"-inf"`` and ``-numpy.inf`` alike.
        axis: the axis of ``x``, or list of axes, that L stands for; 1 by default.
        bias: broadcasts against ``x`` from the right, after the batch axis: a boolean one is a
            further mask (causal mask, UniLM's), any other is added.
        return_mask: also return the mask aligned with ``x`` (None if there is none).

    Returns:
        A tensor like ``x``, or the pair of it and the mask.
    """
    axes = [1] if axis is None else [axis] if isinstance(axis, int) else axis
    is_mask = bias is not None and is_boolean(bias)
    visible = join_masks(len(x.shape), mask, axes, bias if is_mask else None)
    if bias is not None and not is_mask:
        x = x + ops.cast(bias, x.dtype)
    if visible is not None:
        x = ops.where(visible, x, ops.cast(float(value), x.dtype))
    return (x, visible) if return_mask else x


def join_masks(
    rank: int, mask: Tensor | None, axes: list[int], bias: Tensor | None = None
) -> Tensor | None:
    """Return a padding mask (B, L) aligned with axes of a tensor, and a boolean bias, as one mask.

    Args:
        rank: number of axes of the tensor.
        mask: padding mask; None hides nothing.
        axes: axes of the tensor that L stands for.
        bias: a boolean one, such as the causal mask; None hides nothing.
    """
    visible = None
    for position in axes if mask is not None else ():
        along_axis = align(ops.cast(mask, "bool"), [0, position % rank], rank)
        visible = along_axis if visible is None else ops.logical_and(visible, along_axis)
    if bias is not None:  # here the padding mask meets the causal mask
        visible = bias if visible is None else ops.logical_and(visible, bias)
    return visible


def is_boolean(x: Tensor) -> bool:
    return hasattr(x, "dtype") and keras.backend.standardize_dtype(x.dtype) == "bool"
