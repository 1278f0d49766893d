"""Batches by a loop over samples: subclass, write `__iter__`, give `forfit()` to `fit`."""

from itertools import islice

import numpy as np

from bert4keras.data.datasets import samples_dataset
from bert4keras.data.stream import Stream, as_batch


class DataGenerator:
    """Loop over data as batches, shuffled when asked.

    A subclass writes `__iter__(self, random=False)`: it runs through `self.sample(random)`,
    gathers samples, and yields `inputs, targets` whenever `batch_size` have come or `is_end` says
    that this was the last.

    Args:
        data: Samples: a list, anything with a length and indices, or any iterable.
        batch_size: Samples in a batch.
        buffer_size: Samples held to shuffle data without a length; default 1000 batches.
        seed: Makes the order of shuffling repeat itself. Default: NumPy's global state, which
            `np.random.seed` sets.
        length: Function from a sample to its length. Shuffled samples of about the same length then
            come together: a batch costs what its tokens cost, not what its padding would.

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

    def __init__(self, data, batch_size=32, buffer_size=None, seed=None, length=None):
        self.data = data
        self.batch_size = batch_size
        self.buffer_size = buffer_size or batch_size * 1000
        self.length = length
        self.steps = -(-len(data) // batch_size) if hasattr(data, "__len__") else None
        self._random_state = None if seed is None else np.random.RandomState(seed)

    def __len__(self):
        if self.steps is None:
            raise TypeError(
                f"{type(self).__name__} over data without a length has no number of batches; "
                "give `steps_per_epoch` a number of your own, or pass the data as a list"
            )
        return self.steps

    def __iter__(self, random=False):
        raise NotImplementedError(
            f"{type(self).__name__} must define `__iter__(self, random=False)` that yields batches"
        )

    def sample(self, random=False):
        """Run through the data once.

        Args:
            random: Shuffle: all of it if it has a length, otherwise within the buffer.

        Returns:
            A generator of `(is_end, sample)`; `is_end` is True for the last one.

        Example:
            >>> list(DataGenerator("ab").sample())
            [(False, 'a'), (True, 'b')]
        """
        samples = iter(self._shuffled() if random else self.data)
        for sample in samples:
            for following in samples:
                yield False, sample
                sample = following
            yield True, sample

    def _shuffled(self):
        state = self._random_state or np.random
        if self.steps is None:
            samples = _shuffled_in_buffer(self.data, self.buffer_size, state)
        else:
            samples = (self.data[index] for index in state.permutation(len(self.data)))
        if self.length is None:
            return samples
        return _of_equal_length(samples, self.length, self.batch_size, state)

    def forfit(self, random=True):
        """Batches without end, for `model.fit(..., steps_per_epoch=len(generator))`.

        Args:
            random: Passed on to `__iter__`.

        Returns:
            An iterator of tuples `(inputs, targets)` that Keras takes on every backend, whatever
            the lengths of the batches; lists of arrays have become tuples.

        Raises:
            ValueError: on iteration, when a run through the data yields no batch.
        """
        return Stream(map(as_batch, self._endless(random)))

    def fortest(self, random=False):
        """The inputs of the batches without end, for `model.predict(..., steps=len(generator))`.

        Args:
            random: Passed on to `__iter__`.

        Returns:
            An iterator of the first part of what `__iter__` yields.

        Raises:
            ValueError: on iteration, when a run through the data yields no batch.
        """
        inputs = (batch[0] for batch in self._endless(random))
        return Stream(inputs, as_batch=lambda part: as_batch((part,)))

    def _endless(self, random):
        while True:
            yield from self._run(random)

    def _run(self, random):
        batch = None
        for batch in self.__iter__(random):
            yield batch
        if batch is None:
            raise ValueError(
                f"{type(self).__name__} yielded no batch in a run through its data: the data "
                "is empty, or an iterator that has been used up; pass a list"
            )

    def to_dataset(self, types, shapes, names=None, padded_batch=False):
        """The samples as an endless, shuffled `tf.data.Dataset` of batches. Needs TensorFlow.

        Here `__iter__` yields single samples; the dataset makes the batches. With a `length`, they
        begin anew with each run through the data, so that each is of samples of about one length.

        Args:
            types: Dtype of each part of a sample, nested as the samples are.
            shapes: Shape of each part, nested likewise, e.g. `[None]` for ids of any length.
            names: Layer names, to make dicts: one, a tuple, or a tuple of tuples for
                `(inputs, targets)`. Default: the parts stay tuples.
            padded_batch: Pad the samples of a batch with zeros to `shapes`; None is the longest.

        Returns:
            `tf.data.Dataset` of batches of `batch_size`.
        """
        run = self._endless if self.length is None else self._run
        batches = samples_dataset(
            lambda: run(random=True), types, shapes, names, self.batch_size, padded_batch
        )
        return batches if self.length is None else batches.repeat()


def _shuffled_in_buffer(samples, size, state):
    """Each sample waits in a buffer until one that comes later takes its place."""
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


POOL = 64  # batches whose samples are sorted by length together


def _of_equal_length(samples, length, batch_size, state):
    """The samples in such an order that those of a batch are of about equal length."""
    samples = iter(samples)
    while pool := sorted(islice(samples, POOL * batch_size), key=length):
        cut = len(pool) % batch_size  # what is left over comes last, as a smaller batch
        order = state.permutation(len(pool) // batch_size) * batch_size + cut
        for begin in order:
            yield from pool[begin : begin + batch_size]
        yield from pool[:cut]
