"""Arrays for a batch: padding, truncation, stacking; and softmax for scores."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from bert4keras.backend.types import ArrayLike, NDArray
from bert4keras.checks import check_integer, describe

_NOT_SEQUENCES = (str, bytes, Mapping, type(None))  # though most can be iterated


def to_array(*args: ArrayLike) -> Any:
    """Convert each argument to an array.

    Args:
        args: anything NumPy takes, such as lists of ids.

    Returns:
        One array for one argument, otherwise a list of arrays.

    Raises:
        ValueError: the lists of an argument have several lengths.

    Example:
        >>> token_ids, segment_ids = to_array([[2, 5, 3]], [[0, 0, 0]])
        >>> token_ids.shape
        (1, 3)
    """
    try:
        arrays = [np.array(x) for x in args]
    except ValueError as error:
        raise ValueError(
            f"Expected lists of one length, got others: {error}. Pad them with sequence_padding."
        ) from None
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
        value: padding value; the dtype of the inputs must be able to hold it. Among integers
            its fraction is dropped.
        seq_dims: number of axes after the batch axis that are padded.
        mode: "post" pads after the sequence, "pre" before it.
        multiple: without ``length``, round the length up to a multiple of this (one
            number or ``seq_dims`` of them). Fewer shapes need fewer compilations.

    Returns:
        Array (B, length..., ...) with the dtype of the inputs. No sequences give no rows.

    Raises:
        ValueError: another ``mode``, the wrong number of lengths, items of different shapes, or a
            ``value`` that the dtype cannot hold, such as NaN among integers.
        TypeError: ``inputs`` are no sequences, or a length is no whole number.

    Example:
        >>> sequence_padding([[2, 7, 3], [2, 3]])
        array([[2, 7, 3],
               [2, 3, 0]])
        >>> sequence_padding([[2, 7, 3], [2, 3]], multiple=16).shape
        (2, 16)
    """
    if mode not in ("post", "pre"):
        raise ValueError(f'Expected mode "post" or "pre", got {mode!r}. Pass one of these.')
    if isinstance(inputs, _NOT_SEQUENCES) or not isinstance(inputs, Iterable):
        raise TypeError(
            f"Expected inputs to be a list of sequences, got {describe(inputs)}. Pass a list of "
            "lists or arrays."
        )
    seq_dims = check_integer("seq_dims", seq_dims, minimum=1)
    lengths = None if length is None else _numbers_per_axis("length", length, seq_dims, 0)
    multiples = _numbers_per_axis("multiple", multiple, seq_dims, 1)
    dtypes = set()
    rows = [_to_arrays(row, seq_dims, dtypes) for row in inputs]
    dtype = _dtype_for_padding(value, np.result_type(*dtypes or [np.float64]))
    return _pad(rows, lengths, multiples, np.asarray(value).astype(dtype), mode)


def _pad(rows, lengths, multiples, value, mode):
    """Pad arrays, or nested lists of them, to one array with the dtype of the value."""
    seq_dims = len(multiples)
    inner = lengths and lengths[1:]
    rows = [
        _pad(x, inner, [1] * (seq_dims - 1), value, mode) if isinstance(x, list) else x
        for x in rows
    ]
    if lengths is None:
        longest = (max((row.shape[axis] for row in rows), default=0) for axis in range(seq_dims))
        lengths = [-(-size // step) * step for size, step in zip(longest, multiples)]
    batch = np.full((len(rows), *lengths, *_item_shape(rows, seq_dims)), value)
    for target, row in zip(batch, rows):
        if row.size:
            _copy_row(target, row, lengths, mode)
    return batch


def _numbers_per_axis(name, numbers, seq_dims, minimum):
    """Return one whole number for each padded axis; one multiple counts for all axes."""
    is_one = np.ndim(numbers) == 0
    if is_one and (seq_dims == 1 or name == "multiple"):
        numbers, is_one = [numbers] * seq_dims, False
    if is_one or len(numbers) != seq_dims:
        default = ", or None for the longest" if name == "length" else ""
        raise ValueError(
            f"Expected {name} with one number for each of the {seq_dims} padded axes, got "
            f"{numbers}. Pass a list of {seq_dims} numbers{default}."
        )
    return [check_integer(name, number, minimum=minimum) for number in numbers]


def _dtype_for_padding(value, dtype):
    """Return the dtype of the batch; raise if it cannot hold the padding value."""
    padding = np.asarray(value)
    if dtype.kind in "US" and padding.dtype.kind in "US":
        return np.result_type(dtype, padding)  # not cut to the longest text
    if dtype.kind in "biuf" and padding.dtype.kind not in "biuf":
        raise TypeError(_describe_padding(value, dtype))
    if dtype.kind in "biuf" and padding.any():  # any dtype can hold 0
        with np.errstate(all="ignore"):
            new = padding.astype(dtype)
            integral = np.trunc(padding)  # bert4keras 0.x drops the fraction among integers
            is_lost = dtype.kind in "biu" and not np.array_equal(new, integral)
        if is_lost or np.any(np.isinf(new) != np.isinf(padding)):
            raise ValueError(_describe_padding(value, dtype))
    return dtype


def _describe_padding(value, dtype):
    return (
        f"Expected value to be a number that {dtype} can hold, got {describe(value)}. Pass another "
        "value, or convert the inputs."
    )


def _to_arrays(row, seq_dims, dtypes):
    """Convert a sequence to an array of at least ``seq_dims`` axes, or a list of such.

    The dtypes join the set ``dtypes``: innermost sequences are padded when all are known.
    """
    if not isinstance(row, list | np.ndarray) and isinstance(row, _NOT_SEQUENCES):
        raise TypeError(
            f"Expected inputs of lists or arrays, got {describe(row)} among them. Encode texts "
            "with a tokenizer first."
        )
    if seq_dims > 1 and isinstance(row, Iterable) and not isinstance(row, np.ndarray):
        arrays = [_to_arrays(part, seq_dims - 1, dtypes) for part in row]
        dtypes |= set() if arrays else {np.dtype(np.float64)}
        return arrays
    try:
        array = np.asarray(row)
    except ValueError:
        raise ValueError(
            f"Expected inputs with items of one shape after {seq_dims} padded axes, got "
            f"{describe(row)}. Raise seq_dims to pad more axes."
        ) from None
    if array.ndim < seq_dims:
        raise ValueError(
            f"Expected inputs of lists or arrays of {seq_dims} or more axes, got {row!r}. "
            "Numbers need no padding: use np.array(numbers)."
        )
    dtypes.add(array.dtype)
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
        TypeError: ``maxlen`` or an index is no whole number, or a sequence is no list.

    Example:
        >>> truncate_sequences(6, -2, [2, 11, 12, 13, 14, 3], [21, 22, 3])
        [[2, 11, 3], [21, 22, 3]]
    """
    maxlen = check_integer("maxlen", maxlen)
    per_sequence = _indices_per_sequence(indices, len(sequences))
    for sequence in sequences:
        if sequence is not None and not isinstance(sequence, list):
            raise TypeError(
                f"Expected sequences to be lists, which are truncated in place, got "
                f"{describe(sequence)}. Pass list(sequence)."
            )
    pairs = [(index, sequence) for index, sequence in zip(per_sequence, sequences) if sequence]
    lengths = _balance_lengths([len(sequence) for _, sequence in pairs], maxlen)
    cuts = [_removed_slice(index, len(items), size) for (index, items), size in zip(pairs, lengths)]
    for (_, sequence), cut in zip(pairs, cuts):
        del sequence[cut]
    return [sequence for _, sequence in pairs]


def _indices_per_sequence(indices: Any, count: int) -> list[int]:
    per_sequence = list(indices) if isinstance(indices, list | tuple) else [indices] * count
    if len(per_sequence) != count:
        raise ValueError(
            f"Expected indices to be one number, or one for each of the {count} sequences, got "
            f"{indices}. Add the missing ones."
        )
    return [check_integer("indices", index) for index in per_sequence]


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
