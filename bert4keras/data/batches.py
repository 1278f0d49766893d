"""Arrays for a batch: padding, cutting, stacking; and softmax for the way back."""

import numpy as np


def to_array(*args):
    """Turn each argument into an array.

    Args:
        args: Anything NumPy takes, such as lists of ids.

    Returns:
        One array for one argument, otherwise a list of arrays.

    Example:
        >>> token_ids, segment_ids = to_array([[2, 5, 3]], [[0, 0, 0]])
        >>> token_ids.shape
        (1, 3)
    """
    arrays = [np.array(x) for x in args]
    return arrays[0] if len(arrays) == 1 else arrays


def sequence_padding(inputs, length=None, value=0, seq_dims=1, mode="post", multiple=1):
    """Pad sequences of any lengths to one array.

    Args:
        inputs: B sequences: lists or arrays, nested `seq_dims` deep with any lengths; what they
            hold (numbers or vectors) has one shape.
        length: Length of each padded axis: one number or `seq_dims` of them. Longer sequences
            lose their right end. Default: the longest sequence decides.
        value: What to pad with, cast to the dtype of the inputs.
        seq_dims: How many axes after the batch axis have lengths of their own.
        mode: "post" pads behind the sequence, "pre" before it.
        multiple: Where the longest sequence decides, round its length up to a multiple of this (one
            number or `seq_dims` of them): few shapes, so few compilations.

    Returns:
        Array (B, length..., ...) with the dtype of the inputs. No sequences give no rows.

    Raises:
        ValueError: for another `mode`, the wrong number of lengths, or items of unequal shapes.

    Example:
        >>> sequence_padding([[2, 7, 3], [2, 3]])
        array([[2, 7, 3],
               [2, 3, 0]])
        >>> sequence_padding([[2, 7, 3], [2, 3]], multiple=16).shape
        (2, 16)
    """
    if mode not in ("post", "pre"):
        raise ValueError(f'`mode` of sequence_padding is "post" or "pre", not {mode!r}')
    lengths = None if length is None else _one_per_axis(length, seq_dims)
    rows = [_as_array(row, lengths, value, seq_dims, mode) for row in inputs]
    if lengths is None:
        longest = (max((row.shape[axis] for row in rows), default=0) for axis in range(seq_dims))
        multiples = np.broadcast_to(multiple, seq_dims)
        lengths = [-(-size // step) * step for size, step in zip(longest, multiples)]
    item = _shape_of_items(rows, seq_dims)
    dtype = np.result_type(*{row.dtype for row in rows}) if rows else np.float64
    padded = np.full((len(rows), *lengths, *item), value, dtype)
    for target, row in zip(padded, rows):
        if row.size:
            _place(target, row, lengths, mode)
    return padded


def _one_per_axis(length, seq_dims):
    lengths = [length] if np.ndim(length) == 0 else list(length)
    if len(lengths) != seq_dims:
        raise ValueError(
            f"`length` of sequence_padding needs one number for each of the {seq_dims} padded "
            f"axes, got {length}; pass a list of {seq_dims}, or None for the longest"
        )
    return lengths


def _as_array(row, lengths, value, seq_dims, mode):
    """One sequence as an array of at least `seq_dims` axes; ragged inner lists are padded."""
    if seq_dims > 1 and not isinstance(row, np.ndarray):
        return sequence_padding(row, lengths and lengths[1:], value, seq_dims - 1, mode)
    array = np.asarray(row)
    if array.ndim < seq_dims:
        raise ValueError(
            f"sequence_padding pads lists or arrays of {seq_dims} or more axes, got {row!r}; "
            "numbers need no padding: np.array(numbers)"
        )
    return array


def _shape_of_items(rows, seq_dims):
    shapes = {row.shape[seq_dims:] for row in rows if row.size} or {()}
    if len(shapes) > 1:
        raise ValueError(
            f"sequence_padding pads {seq_dims} axes, so what lies behind them has one shape; "
            f"got shapes {sorted(shapes)}; raise `seq_dims` to pad more axes"
        )
    return shapes.pop()


def _place(target, row, lengths, mode):
    kept = [min(size, length) for size, length in zip(row.shape, lengths)]
    starts = [length - size if mode == "pre" else 0 for size, length in zip(kept, lengths)]
    window = tuple(slice(start, start + size) for start, size in zip(starts, kept))
    target[window] = row[tuple(slice(size) for size in kept)]


def truncate_sequences(maxlen, indices, *sequences):
    """Shorten the longest sequence, item by item and in place, until all fit together.

    Args:
        maxlen: Largest sum of lengths.
        indices: Where to take items out of a sequence: -1 its last, -2 the one before (keeps an
            end token), 1 the second (keeps a start token); one number, or one for each sequence.
        sequences: Lists; None and empty ones are left out.

    Returns:
        The lists that had items, the same objects. Of equally long ones the first gives first.

    Raises:
        IndexError: when a sequence would have to give what `indices` protects. Nothing is changed.

    Example:
        >>> truncate_sequences(6, -2, [2, 11, 12, 13, 14, 3], [21, 22, 3])
        [[2, 11, 3], [21, 22, 3]]
    """
    if not isinstance(indices, list | tuple):
        indices = [indices] * len(sequences)
    chosen = [(index, sequence) for index, sequence in zip(indices, sequences) if sequence]
    lengths = _levelled([len(sequence) for _, sequence in chosen], maxlen)
    cuts = [_cut(index, len(items), length) for (index, items), length in zip(chosen, lengths)]
    for (_, sequence), cut in zip(chosen, cuts):
        del sequence[cut]
    return [sequence for _, sequence in chosen]


def _levelled(lengths, maxlen):
    """The lengths after the longest have given, one by one, what is more than `maxlen`."""
    for _ in range(sum(lengths) - max(maxlen, 0)):
        lengths[lengths.index(max(lengths))] -= 1
    return lengths


def _cut(index, length, kept):
    """The slice that leaves by popping at `index` until `kept` items are left."""
    if length == kept:
        return slice(0, 0)
    if not -kept - 1 <= index <= kept:
        raise IndexError(
            f"truncate_sequences cannot take item {index} out of a sequence shortened to "
            f"{kept + 1}; pass a larger maxlen, or indices nearer the end"
        )
    start = index if index >= 0 else kept + 1 + index
    return slice(start, start + length - kept)


def softmax(x, axis=-1):
    """Softmax of an array: positive, and one in sum.

    Args:
        x: Scores, any shape; -inf gives 0.
        axis: The axis that sums to one.

    Returns:
        Array of the shape of `x`.

    Example:
        >>> softmax(np.array([1000.0, 1000.0]))
        array([0.5, 0.5])
    """
    exponentials = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)
