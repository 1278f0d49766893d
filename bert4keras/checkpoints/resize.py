"""Resizing of tensors to another vocabulary or another width, and orders of rotary features."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]
Rows = Sequence[int] | tuple[Sequence[int], Sequence[float]]


def keep_rows(
    array: _Array,
    keep_tokens: Sequence[int] | None = None,
    compound_tokens: Sequence[Rows] | None = None,
) -> _Array:
    """Select rows of a vocabulary, then append averages of the selected rows.

    Args:
        array: (vocabulary, ...); an embedding table or the bias of a language-model head.
        keep_tokens: rows to keep, in the new order. Default: all.
        compound_tokens: one new row for each item: a list of row numbers, or a pair
            ``(row numbers, weights)``. The numbers count rows *after* ``keep_tokens``.

    Returns:
        (len(keep_tokens) + len(compound_tokens), ...), in the type of ``array``.

    Raises:
        ValueError: a row number is outside the table.

    Example:
        >>> table = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> keep_rows(table, [3, 1], [[0, 1], ([0, 1], [3, 1])]).tolist()
        [[3.0], [1.0], [2.0], [2.5]]
    """
    if keep_tokens is not None:
        array = _rows(array, keep_tokens, "keep_tokens")
    if not compound_tokens:
        return array
    compounds = [_compound(array, item) for item in compound_tokens]
    return np.concatenate([array, np.stack(compounds).astype(array.dtype)])


def _rows(array: _Array, numbers: Sequence[int], argument: str) -> _Array:
    indices = np.asarray(numbers, "int64").reshape(-1)
    outside = indices[(indices < 0) | (indices >= len(array))]
    if outside.size:
        raise ValueError(
            f"{argument} names row {outside[0]}, but the table has rows 0 to {len(array) - 1}. "
            f"Make {argument} from the vocabulary of this checkpoint."
        )
    return array[indices]


def _compound(array: _Array, item: Rows) -> _Array:
    pair: Any = item if isinstance(item, tuple) else (item, None)
    numbers, weights = pair
    rows = _rows(array, numbers, "compound_tokens")
    return np.average(rows.astype("float32"), axis=0, weights=weights)


def orthogonally_resize(a: _Array, new_shape: Sequence[int], window: int = 2) -> _Array:
    """Resize an array by repeating or cropping; its Frobenius norm stays the same.

    An axis whose size changes is cut into windows and every window is repeated until the axis is
    long enough, so that an orthogonal matrix stays near to orthogonal (https://spaces.ac.cn/archives/8444).
    Windows keep the pairs of rotary positions together.

    Args:
        a: array of any rank.
        new_shape: as many sizes as ``a`` has axes.
        window: length of a window; it divides each axis whose size changes.

    Returns:
        Array of ``new_shape`` in the type of ``a``.

    Raises:
        ValueError: the ranks differ, or an axis that changes is no multiple of the window.

    Example:
        >>> orthogonally_resize(np.array([2.0, 4.0, 6.0, 8.0]), [8]).round(2).tolist()
        [1.41, 2.83, 1.41, 2.83, 4.24, 5.66, 4.24, 5.66]
    """
    sizes = zip(a.shape, new_shape)
    if a.ndim != len(new_shape) or any(old % window and old != new for old, new in sizes):
        raise ValueError(
            f"An array of shape {a.shape} cannot be resized to {tuple(new_shape)}: both need the "
            f"same number of axes, each that changes a multiple of the window {window}. Load it by "
            "hand, or leave it as initialised with ignore_invalid_weights=True."
        )
    result = a
    for axis, size in enumerate(new_shape):
        if size != a.shape[axis]:
            result = _repeat_windows(result, axis, size, window)
    old, new = (np.linalg.norm(array.astype("float64")) for array in (a, result))
    return (result * (old / new)).astype(a.dtype) if new else result  # biases of zeros stay zeros


def _repeat_windows(a: _Array, axis: int, size: int, window: int) -> _Array:
    a = np.moveaxis(a, axis, 0)
    repeats = math.ceil(size / len(a))
    windows = np.repeat(a.reshape(len(a) // window, window, *a.shape[1:]), repeats, axis=0)
    return np.moveaxis(windows.reshape(-1, *a.shape[1:])[:size], 0, axis)


def resize_attention(array: _Array, shape: Sequence[int], index: int, count: int) -> _Array:
    """Resize one weight of an attention layer; the scores keep their scale.

    Queries and keys gain the fourth root of the growth of their width, since scores are divided by
    the square root of the head's size (https://spaces.ac.cn/archives/8444).

    Args:
        array: the weight as the checkpoint has it.
        shape: the new shape.
        index: place of the weight in its layer, whose order is q, k, v, o.
        count: number of weights of the layer: 8 with biases, 4 without, 7 without the last bias.

    Example:
        >>> float(resize_attention(np.ones((2, 2)), (2, 32), index=0, count=8)[0, 0].round(2))
        0.5
    """
    queries_and_keys = (count + 1) // 2
    gain = (shape[-1] / array.shape[-1]) ** 0.25 if index < queries_and_keys else 1.0
    return _scale(orthogonally_resize(array, shape), gain)


def resize_feed_forward(
    array: _Array, shape: Sequence[int], index: int, count: int, activation: Any = "gelu"
) -> _Array:
    """Resize one weight of a feed-forward layer; its hidden values keep their scale.

    The first dense layer gains what the last one loses. With ``relu`` and ``leaky_relu`` the scale
    of the hidden values is free, and every weight is treated as the last ones are.

    Args:
        array: the weight as the checkpoint has it.
        shape: the new shape.
        index: place of the weight in its layer.
        count: number of weights of the layer.
        activation: the layer's activation, by name.

    Example:
        >>> float(resize_feed_forward(np.ones((2, 2)), (2, 8), index=0, count=4)[0, 0].round(2))
        1.0
    """
    hidden_count = min(count // 2, 2)  # the kernel before the activation, and its bias
    inputs = 0 if activation in ("relu", "leaky_relu") else hidden_count
    gain = shape[-1] / array.shape[-1] if index < inputs else array.shape[0] / shape[0]
    return _scale(orthogonally_resize(array, shape), math.sqrt(gain))


def _scale(array: _Array, gain: float) -> _Array:
    return (array * gain).astype(array.dtype)


def interleave_rotary(array: _Array, heads: int) -> _Array:
    """Reorder queries or keys for rotary positions: from pairs (j, j + d/2) to neighbours.

    Hugging Face's rotary positions pair a head's first half with its second; ours pair
    neighbours (2j, 2j + 1). The scores are the same once both queries and keys are reordered.

    Args:
        array: (..., heads * d); a kernel whose last axis is its output, or a bias.
        heads: number of heads.

    Example:
        >>> interleave_rotary(np.arange(8), heads=2).tolist()
        [0, 2, 1, 3, 4, 6, 5, 7]
    """
    return _swap_parts(array, (heads, 2, -1))


def deinterleave_rotary(array: _Array, heads: int) -> _Array:
    """Reverse ``interleave_rotary``.

    Example:
        >>> deinterleave_rotary(interleave_rotary(np.arange(12), 2), 2).tolist() == list(range(12))
        True
    """
    return _swap_parts(array, (heads, -1, 2))


def _swap_parts(array: _Array, parts: tuple[int, int, int]) -> _Array:
    """Cut the last axis into three, and swap the last two."""
    return array.reshape(*array.shape[:-1], *parts).swapaxes(-1, -2).reshape(array.shape)
