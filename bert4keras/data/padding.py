"""Arrays for a batch: padding, truncation, stacking; and softmax for scores."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Literal

import numpy as np

from bert4keras.backend.types import ArrayLike, NDArray


def to_array(*args: ArrayLike) -> Any:
    """Convert each argument to an array.

    Args:
        args: anything NumPy takes, such as lists of ids.

    Returns:
        One array for one argument, otherwise a list of arrays.

    Example:
        >>> token_ids, segment_ids = to_array([[2, 5, 3]], [[0, 0, 0]])
        >>> token_ids.shape
        (1, 3)
    """
    arrays = [np.array(x) for x in args]
    return arrays[0] if len(arrays) == 1 else arrays


def sequence_padding(
    inputs: Iterable[Any],
    length: int | Sequence[int] | None = None,
    value: float = 0,
    seq_dims: int = 1,
    mode: Literal["post", "pre"] = "post",
    multiple: int | Sequence[int] = 1,
) -> NDArray[Any]:
    """Pad sequences of different lengths to one array.

    Args:
        inputs: B sequences: lists or arrays, nested ``seq_dims`` deep. Their items (numbers or
            vectors) have one shape.
        length: length of each padded axis: one number or ``seq_dims`` of them. Longer sequences
            are truncated on the right. Default: the length of the longest sequence.
        value: padding value, cast to the dtype of the inputs.
        seq_dims: number of axes after the batch axis that are padded.
        mode: "post" pads after the sequence, "pre" before it.
        multiple: without ``length``, round the length up to a multiple of this (one
            number or ``seq_dims`` of them). Fewer shapes need fewer compilations.

    Returns:
        Array (B, length..., ...) with the dtype of the inputs. No sequences give no rows.

    Raises:
        ValueError: another ``mode``, the wrong number of lengths, or items of different shapes.

    Example:
        >>> sequence_padding([[2, 7, 3], [2, 3]])
        array([[2, 7, 3],
               [2, 3, 0]])
        >>> sequence_padding([[2, 7, 3], [2, 3]], multiple=16).shape
        (2, 16)
    """
    if mode not in ("post", "pre"):
        raise ValueError(f'Expected mode "post" or "pre", got {mode!r}. Pass one of these.')
    lengths = None if length is None else _lengths_per_axis(length, seq_dims)
    rows = [_to_row(row, lengths, value, seq_dims, mode) for row in inputs]
    if lengths is None:
        longest = (max((row.shape[axis] for row in rows), default=0) for axis in range(seq_dims))
        multiples = np.broadcast_to(multiple, seq_dims)
        lengths = [-(-size // step) * step for size, step in zip(longest, multiples)]
    item_shape = _item_shape(rows, seq_dims)
    dtype = np.result_type(*{row.dtype for row in rows}) if rows else np.float64
    batch = np.full((len(rows), *lengths, *item_shape), value, dtype)
    for target, row in zip(batch, rows):
        if row.size:
            _copy_row(target, row, lengths, mode)
    return batch


def _lengths_per_axis(length: int | Sequence[int], seq_dims: int) -> list[int]:
    lengths = list(np.atleast_1d(length))
    if len(lengths) != seq_dims:
        raise ValueError(
            f"Expected length with one number for each of the {seq_dims} padded axes, got "
            f"{length}. Pass a list of {seq_dims} numbers, or None for the longest."
        )
    return lengths


def _to_row(row, lengths, value, seq_dims, mode):
    """Convert one sequence to an array of at least ``seq_dims`` axes; pad nested lists."""
    if seq_dims > 1 and not isinstance(row, np.ndarray):
        return sequence_padding(row, lengths and lengths[1:], value, seq_dims - 1, mode)
    array = np.asarray(row)
    if array.ndim < seq_dims:
        raise ValueError(
            f"Expected inputs of lists or arrays of {seq_dims} or more axes, got {row!r}. "
            "Numbers need no padding: use np.array(numbers)."
        )
    return array


def _item_shape(rows: list[NDArray[Any]], seq_dims: int) -> tuple[int, ...]:
    shapes = {row.shape[seq_dims:] for row in rows if row.size} or {()}
    if len(shapes) > 1:
        raise ValueError(
            f"Expected inputs with items of one shape after {seq_dims} padded axes, got shapes "
            f"{sorted(shapes)}. Raise seq_dims to pad more axes."
        )
    return shapes.pop()


def _copy_row(target, row, lengths, mode):
    sizes = [min(size, length) for size, length in zip(row.shape, lengths)]
    starts = [length - size if mode == "pre" else 0 for size, length in zip(sizes, lengths)]
    window = tuple(slice(start, start + size) for start, size in zip(starts, sizes))
    target[window] = row[tuple(slice(size) for size in sizes)]


def truncate_sequences(
    maxlen: int, indices: int | Sequence[int], *sequences: list[Any] | None
) -> list[list[Any]]:
    """Truncate the longest sequence, item by item and in place, until all sum up to ``maxlen``.

    Args:
        maxlen: maximum sum of lengths.
        indices: index to remove items at: -1 the last, -2 the one before (keeps an end token),
            1 the second (keeps a start token). One number, or one for each sequence.
        sequences: lists; None and empty lists are skipped.

    Returns:
        The lists that had items, the same objects. Of equally long ones the first is cut first.

    Raises:
        IndexError: a sequence has no item left at its index. No list is changed.

    Example:
        >>> truncate_sequences(6, -2, [2, 11, 12, 13, 14, 3], [21, 22, 3])
        [[2, 11, 3], [21, 22, 3]]
    """
    per_sequence: Any = indices if isinstance(indices, list | tuple) else repeat(indices)
    pairs = [(index, sequence) for index, sequence in zip(per_sequence, sequences) if sequence]
    lengths = _balance_lengths([len(sequence) for _, sequence in pairs], maxlen)
    cuts = [_removed_slice(index, len(items), size) for (index, items), size in zip(pairs, lengths)]
    for (_, sequence), cut in zip(pairs, cuts):
        del sequence[cut]
    return [sequence for _, sequence in pairs]


def _balance_lengths(lengths: list[int], maxlen: int) -> list[int]:
    """Reduce the longest length, one by one, until the lengths sum up to ``maxlen``."""
    for _ in range(sum(lengths) - max(maxlen, 0)):
        lengths[lengths.index(max(lengths))] -= 1
    return lengths


def _removed_slice(index: int, length: int, new_length: int) -> slice:
    """Return the slice that popping at ``index`` removes until ``new_length`` items remain."""
    if length == new_length:
        return slice(0, 0)
    if not -new_length - 1 <= index <= new_length:
        raise IndexError(
            f"Expected an item to remove at index {index}, got a sequence truncated to "
            f"{new_length + 1}. Pass a larger maxlen, or indices nearer the end."
        )
    start = index if index >= 0 else new_length + 1 + index
    return slice(start, start + length - new_length)


def softmax(x: NDArray[Any], axis: int = -1) -> NDArray[Any]:
    """Return the softmax of an array: positive values that sum to one.

    Args:
        x: scores, any shape; -inf gives 0.
        axis: the axis that sums to one.

    Returns:
        Array of the shape of ``x``.

    Example:
        >>> softmax(np.array([1000.0, 1000.0]))
        array([0.5, 0.5])
    """
    exponentials = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)
