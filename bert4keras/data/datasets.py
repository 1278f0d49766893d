"""Samples of a Python generator as a `tf.data.Dataset`."""

import numpy as np


def samples_dataset(samples, types, shapes, names=None, batch_size=32, padded_batch=False):
    """Batch the samples that a function yields.

    Args:
        samples: Function of no arguments that returns an iterator over samples.
        types: Dtype of each part of a sample, nested as the samples are.
        shapes: Shape of each part, nested likewise.
        names: Names that make dicts of the parts: one string, a tuple, or a tuple of such.
        batch_size: Samples in a batch.
        padded_batch: Pad with zeros to `shapes`, whose None is the longest of the batch.

    Returns:
        `tf.data.Dataset` of batches.

    Example:
        >>> def token_ids():
        ...     return iter([[2, 7, 3], [2, 3]])
        >>> dataset = samples_dataset(token_ids, "int64", [None], padded_batch=True)
        >>> next(dataset.as_numpy_iterator())
        array([[2, 7, 3],
               [2, 3, 0]])
    """
    import tensorflow as tf

    def specify(dtype, shape):
        return tf.TensorSpec([None] * len(shape) if padded_batch else shape, dtype)

    def arrays():
        for sample in samples():
            yield named(names, _walk(lambda _, part: np.asarray(part), types, sample))

    signature = named(names, _walk(specify, types, shapes))
    dataset = tf.data.Dataset.from_generator(arrays, output_signature=signature)
    if not padded_batch:
        return dataset.batch(batch_size)
    final_shapes = named(names, _walk(lambda _, shape: tf.TensorShape(shape), types, shapes))
    return dataset.padded_batch(batch_size, final_shapes)


def named(names, parts):
    """Turn parts into dicts by name.

    Args:
        names: A string, a tuple of strings, or a tuple of these; None changes nothing.
        parts: What the names are for, nested likewise.

    Example:
        >>> named((("tokens", "segments"), "labels"), ((1, 2), 3))
        ({'tokens': 1, 'segments': 2}, {'labels': 3})
    """
    if names is None:
        return parts
    if isinstance(names, str):
        return {names: parts}
    if all(isinstance(name, str) for name in names):
        return dict(zip(names, parts, strict=True))
    return tuple(named(name, part) for name, part in zip(names, parts, strict=True))


def _walk(function, types, values):
    """Call `function(dtype, value)` for every dtype, lists and tuples becoming tuples."""
    if isinstance(types, list | tuple):
        return tuple(_walk(function, *pair) for pair in zip(types, values, strict=True))
    return function(types, values)
