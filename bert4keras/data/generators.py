"""Generators of batches: subclass, write ``__iter__``, pass ``forfit()`` to ``fit``."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from itertools import islice
from typing import Any, cast

import numpy as np

from bert4keras.checks import check_callable, check_integer, describe
from bert4keras.data.stream import BatchStream, to_keras_batch
from bert4keras.data.tf_dataset import make_tf_dataset


class DataGenerator:
    """Generator of batches over data, shuffled on request.

    A subclass writes ``__iter__(self, random=False)``: it loops over ``self.batches(random)``,
    lists of samples, and yields ``inputs, targets`` for each. Scripts of 0.x loop over
    ``self.sample(random)``, and collect the samples until there are ``batch_size`` of them or
    ``is_end`` is True.

    Args:
        data: samples: a list, anything with a length and indices, or any iterable.
        batch_size: samples in a batch.
        buffer_size: samples in the buffer that shuffles data without a length; default 1000
            batches.
        seed: seed of shuffling. Default: NumPy's global state, which ``np.random.seed`` sets.
        length_func: function from a sample to its length. Shuffled batches then have samples of
            similar length (bucketing), so little work is spent on padding.

    Raises:
        TypeError: ``data`` is a str, a path, a dict, a table of pandas, or anything else that does
            not iterate over samples; another argument has a wrong type.
        ValueError: ``batch_size`` or ``buffer_size`` is less than 1, or ``seed`` out of range.

    Example:
        >>> class Squares(DataGenerator):
        ...     def __iter__(self, random=False):
        ...         batch = []
        ...         for is_end, number in self.sample(random):
        ...             batch.append(number**2)
        ...             if len(batch) == self.batch_size or is_end:
        ...                 yield [np.array(batch)], None
        ...                 batch = []
        >>> squares = Squares([1, 2, 3], batch_size=2)
        >>> len(squares)
        2
        >>> [inputs[0].tolist() for inputs, _ in squares]
        [[1, 4], [9]]
        >>> next(squares.forfit(random=False))
        ((array([1, 4]),), None)
    """

    def __init__(
        self,
        data: Iterable[Any],
        batch_size: int = 32,
        buffer_size: int | None = None,
        seed: int | None = None,
        length_func: Callable[[Any], float] | None = None,
    ) -> None:
        self.data: Any = _check_data(data)
        self.batch_size = check_integer("batch_size", batch_size, minimum=1)
        self.buffer_size: int = check_integer(
            "buffer_size", buffer_size or self.batch_size * 1000, minimum=1
        )
        if length_func is not None:
            check_callable("length_func", length_func, "Pass a function of one sample.")
        if seed is not None:
            check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
        self.length_func = length_func
        self.steps: int | None = -(-len(data) // batch_size) if isinstance(data, Sized) else None
        self._random_state = None if seed is None else np.random.RandomState(seed)

    def __len__(self) -> int:
        if self.steps is None:
            raise TypeError(
                f"Expected data with a length for len({type(self).__name__}), got an iterator. "
                "Pass the data as a list, or set steps_per_epoch to a number."
            )
        return self.steps

    def __iter__(self, random: bool = False) -> Iterator[Any]:
        raise NotImplementedError(
            f"Expected {type(self).__name__} to define __iter__(self, random=False), got none. "
            "Write one that yields batches."
        )

    def sample(self, random: bool = False) -> Iterator[tuple[bool, Any]]:
        """Iterate over the samples once.

        Args:
            random: True shuffles: all data if it has a length, otherwise within the buffer.

        Returns:
            A generator of ``(is_end, sample)``; ``is_end`` is True for the last one.

        Example:
            >>> list(DataGenerator(["a", "b"]).sample())
            [(False, 'a'), (True, 'b')]
        """
        samples = iter(self._shuffle() if random else self.data)
        for sample in samples:
            for next_sample in samples:
                yield False, sample
                sample = next_sample
            yield True, sample

    def batches(self, random: bool = False) -> Iterator[list[Any]]:
        """Iterate over the samples once, in lists of ``batch_size``; the last may be shorter.

        Args:
            random: as for ``sample``.

        Returns:
            A generator of lists of samples.

        Example:
            >>> class Squares(DataGenerator):
            ...     def __iter__(self, random=False):
            ...         for numbers in self.batches(random):
            ...             yield [np.array(numbers) ** 2], None
            >>> [inputs[0].tolist() for inputs, _ in Squares([1, 2, 3], batch_size=2)]
            [[1, 4], [9]]
        """
        batch = []
        for is_end, sample in self.sample(random):
            batch.append(sample)
            if len(batch) == self.batch_size or is_end:
                yield batch
                batch = []

    def _shuffle(self) -> Iterator[Any]:
        state = self._random_state or np.random
        if self.steps is None:
            samples = _shuffle_in_buffer(self.data, self.buffer_size, state)
        else:
            samples = (self.data[index] for index in state.permutation(len(self.data)))
        if self.length_func is None:
            return samples
        return _sort_in_pools(samples, self.length_func, self.batch_size, state)

    def forfit(self, random: bool = True) -> Iterator[Any]:
        """Return endless batches, for ``model.fit(..., steps_per_epoch=len(generator))``.

        Args:
            random: passed to ``__iter__``.

        Returns:
            An iterator of tuples ``(inputs, targets)`` that Keras takes on every backend, for
            batches of any lengths. Lists of arrays become tuples.

        Raises:
            ValueError: on iteration, if an epoch yields no batch.
        """
        return BatchStream(map(to_keras_batch, self._iterate_forever(random)))

    def fortest(self, random: bool = False) -> Iterator[Any]:
        """Return endless inputs, for ``model.predict(..., steps=len(generator))``.

        Args:
            random: passed to ``__iter__``.

        Returns:
            An iterator of the first part of each batch of ``__iter__``.

        Raises:
            ValueError: on iteration, if an epoch yields no batch.
        """
        inputs = (batch[0] for batch in self._iterate_forever(random))
        return BatchStream(inputs, convert=lambda part: to_keras_batch((part,)))

    def _iterate_forever(self, random: bool) -> Iterator[Any]:
        while True:
            yield from self._iterate_epoch(random)

    def _iterate_epoch(self, random: bool) -> Iterator[Any]:
        batch = None
        for batch in self.__iter__(random):
            yield batch
        if batch is None:
            raise ValueError(
                f"Expected {type(self).__name__} to yield at least one batch in an epoch, got "
                "none: the data is empty, or an exhausted iterator. Pass a list that has samples."
            )

    def to_dataset(
        self, types: Any, shapes: Any, names: Any = None, padded_batch: bool = False
    ) -> Any:
        """Return an endless, shuffled ``tf.data.Dataset`` of batches. Needs TensorFlow.

        Here ``__iter__`` yields single samples; the dataset makes the batches. With a
        ``length_func`` batches do not cross epochs, so each has samples of similar length.

        Args:
            types: dtype of each part of a sample, nested as the samples are.
            shapes: shape of each part, nested likewise, e.g. ``[None]`` for ids of any length.
            names: layer names, to make dicts: one, a tuple, or a tuple of tuples for
                ``(inputs, targets)``. Default: the parts stay tuples.
            padded_batch: True pads the samples of a batch with zeros to ``shapes``; None there is
                the longest.

        Returns:
            ``tf.data.Dataset`` of batches of ``batch_size``.
        """
        is_bucketed = self.length_func is not None
        iterate = self._iterate_epoch if is_bucketed else self._iterate_forever
        batches = make_tf_dataset(
            lambda: iterate(random=True), types, shapes, names, self.batch_size, padded_batch
        )
        return batches.repeat() if is_bucketed else batches


def _check_data(data: Any) -> Any:
    """Return the data; raise for what iterates over something else than samples."""
    remedy = ""
    if isinstance(data, str | bytes | os.PathLike):
        remedy = "Read the file first."
    elif isinstance(data, Mapping):
        remedy = "Pass list(data.items())."
    elif hasattr(data, "iloc"):  # pandas: it iterates over columns, and its indices are labels
        remedy = "Pass its rows as a list: data.values.tolist()."
    elif not isinstance(data, Iterable) and not hasattr(data, "__getitem__"):
        remedy = "Pass a list."
    elif isinstance(data, np.ndarray) and data.ndim == 0:
        remedy = "Pass an array with an axis of samples."
    if remedy:
        raise TypeError(f"Expected data to be a list of samples, got {describe(data)}. {remedy}")
    has_order = not isinstance(data, Sized) or hasattr(data, "__getitem__")
    return data if has_order else list(cast(Iterable[Any], data))  # a set, or a view of a dict


def _shuffle_in_buffer(samples: Iterable[Any], size: int, state: Any) -> Iterator[Any]:
    """Shuffle samples in a buffer: each waits there until a later one replaces it."""
    buffer = []
    for sample in samples:
        if len(buffer) < size:
            buffer.append(sample)
        else:
            index = state.randint(size)
            buffer[index], sample = sample, buffer[index]
            yield sample
    for index in state.permutation(len(buffer)):
        yield buffer[index]


_BATCHES_PER_POOL = 64  # batches whose samples are sorted by length together


def _sort_in_pools(samples, length_func, batch_size, state):
    """Reorder samples so that those of a batch have similar lengths."""
    samples = iter(samples)
    while pool := list(islice(samples, _BATCHES_PER_POOL * batch_size)):
        pool = _sort_by_length(pool, length_func)
        remainder = len(pool) % batch_size  # the shortest samples, as a smaller last batch
        order = state.permutation(len(pool) // batch_size) * batch_size + remainder
        for begin in order:
            yield from pool[begin : begin + batch_size]
        yield from pool[:remainder]


def _sort_by_length(samples, length_func):
    lengths = [length_func(sample) for sample in samples]
    try:
        order = sorted(range(len(samples)), key=lengths.__getitem__)
    except TypeError:
        raise TypeError(
            f"Expected length_func to return numbers, got {describe(lengths[0])} and others. "
            "Return the length of the sample."
        ) from None
    return [samples[number] for number in order]
