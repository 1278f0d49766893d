"""Samples of a Python generator as a ``tf.data.Dataset``."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def make_tf_dataset(
    samples: Callable[[], Iterator[Any]],
    types: Any,
    shapes: Any,
    names: Any = None,
    batch_size: int = 32,
    padded_batch: bool = False,
) -> Any:
    """Build a ``tf.data.Dataset`` of batches from the samples that a function yields.

    Args:
        samples: function of no arguments that returns an iterator over samples.
        types: dtype of each part of a sample, nested as the samples are.
        shapes: shape of each part, nested likewise.
        names: names that make dicts of the parts: one string, a tuple, or a tuple of such.
        batch_size: samples in a batch.
        padded_batch: True pads with zeros to ``shapes``; None there is the longest of the batch.

    Returns:
        ``tf.data.Dataset`` of batches.

    Example:
        >>> def token_ids():
        ...     return iter([[2, 7, 3], [2, 3]])
        >>> dataset = make_tf_dataset(token_ids, "int64", [None], padded_batch=True)
        >>> next(dataset.as_numpy_iterator())
        array([[2, 7, 3],
               [2, 3, 0]])
    """
    import tensorflow as tf

    def make_spec(dtype, shape):
        return tf.TensorSpec([None] * len(shape) if padded_batch else shape, dtype)

    def generate():
        for sample in samples():
            yield _name_parts(names, _map_nested(lambda _, part: np.asarray(part), types, sample))

    signature = _name_parts(names, _map_nested(make_spec, types, shapes))
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    if not padded_batch:
        return dataset.batch(batch_size)
    batch_shapes = _map_nested(lambda _, shape: tf.TensorShape(shape), types, shapes)
    return dataset.padded_batch(batch_size, _name_parts(names, batch_shapes))


def _name_parts(names: Any, parts: Any) -> Any:
    """Convert parts to dicts by name; no names change nothing.

    Example:
        >>> _name_parts((("tokens", "segments"), "labels"), ((1, 2), 3))
        ({'tokens': 1, 'segments': 2}, {'labels': 3})
    """
    if names is None:
        return parts
    if isinstance(names, str):
        return {names: parts}
    if all(isinstance(name, str) for name in names):
        return dict(zip(names, parts, strict=True))
    return tuple(_name_parts(name, part) for name, part in zip(names, parts, strict=True))


def _map_nested(function: Callable[[Any, Any], Any], types: Any, values: Any) -> Any:
    """Call ``function(dtype, value)`` for every dtype; lists and tuples become tuples."""
    if isinstance(types, list | tuple):
        return tuple(_map_nested(function, *pair) for pair in zip(types, values, strict=True))
    return function(types, values)
