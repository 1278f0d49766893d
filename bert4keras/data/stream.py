"""Endless streams of batches in the form that Keras 3 takes on every backend."""

import threading
import warnings
from collections import deque

import numpy as np

from bert4keras.backend import keras


def as_batch(item):
    """Turn what a generator yields into the tuples Keras 3 asks for.

    Args:
        item: `inputs, targets` or `inputs, targets, weights` as a tuple or list, each an array, a
            list of arrays, a dict or None; or the inputs alone.

    Returns:
        A tuple, with tuples in place of lists of arrays.

    Example:
        >>> as_batch(([1, 2], None))
        ((1, 2), None)
    """
    if not isinstance(item, tuple | list):
        return (item,)
    return tuple(tuple(part) if isinstance(part, list) else part for part in item)


class Stream(keras.utils.PyDataset):
    """An endless iterator over batches that `fit`, `evaluate` and `predict` take as well.

    Keras on TensorFlow fixes the shape of all batches by looking at the first two. A plain
    generator leaves it to chance whether their lengths differ; a stream answers that look with two
    specimens whose lengths do (see `specimens`).

    Args:
        items: Iterable of what `next` gives.
        as_batch: Function from an item to the tuple for Keras.

    Example:
        >>> batches = Stream(iter([(np.ones((2, 3)), None)] * 2))
        >>> inputs, targets = next(batches)
        >>> inputs.shape
        (2, 3)
    """

    num_batches = None  # for Keras: endless

    def __init__(self, items, as_batch=as_batch):
        super().__init__()
        self.items = iter(items)
        self.as_batch = as_batch
        self.peeked = deque()
        self.lock = threading.RLock()  # one fit may still read ahead when the next begins
        self.in_epoch = False
        self.looks = 0
        self.fresh = True
        self.opening = None
        # `fit` shuffles unless told otherwise; that a stream cannot be shuffled needs no warning
        warnings.filterwarnings("ignore", "`shuffle=True` was passed.* infinite PyDataset")

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            return self.peeked.popleft() if self.peeked else next(self.items)

    def __getitem__(self, number):
        with self.lock:
            return self._batch(number)

    def _batch(self, number):
        # Batches 0 and 1 asked for before an epoch begins: Keras looks at their shapes only.
        if not self.in_epoch and number == self.looks < 2:
            self.looks += 1
            return self._specimen(number)
        # Keras on JAX and torch builds the model with batch 0, then asks for batch 0 again.
        if number == 0 and self.opening is not None:
            batch, self.opening = self.opening, None
            return batch
        batch = self._for_keras(next(self))
        self.opening = batch if self.fresh else None
        self.fresh = False
        return batch

    def on_epoch_begin(self):
        self.in_epoch = True
        self.looks = 0

    def on_epoch_end(self):
        self.in_epoch = False

    def _for_keras(self, item):
        batch = self.as_batch(item)
        while batch[-1] is None:
            batch = batch[:-1]
        return batch

    def _specimen(self, number):
        while len(self.peeked) < 2:
            self.peeked.append(next(self.items))
        return specimens(*map(self._for_keras, self.peeked))[number]


def specimens(first, second):
    """Two batches whose shapes differ on every axis that may differ between batches.

    Such an axis differs between the two batches given; or is an inner axis of an integer array;
    or has the length, if not 1, of the rows of an integer matrix (token ids). A last axis of
    length 1 is left alone, because losses squeeze it, and so are the features of float arrays.

    Args:
        first, second: Batches: nested tuples or dicts of arrays, (B, ...) each.

    Returns:
        The first batch, and zeros in the structure of the second.

    Example:
        >>> token_ids, labels = np.ones((2, 7), "int64"), np.ones((2, 1), "int64")
        >>> [zeros.shape for zeros in specimens((token_ids, labels), (token_ids, labels))[1]]
        [(2, 8), (2, 1)]
    """
    arrays = [x for x in keras.tree.flatten(second) if isinstance(x, np.ndarray)]
    lengths = {x.shape[1] for x in arrays if x.ndim == 2 and _counts(x)} - {1}

    def widened(one, other):
        if not isinstance(other, np.ndarray):
            return other
        sizes = list(other.shape)
        for axis in range(1, other.ndim):
            inner = _counts(other) and axis < other.ndim - 1
            if sizes[axis] == one.shape[axis] and (inner or sizes[axis] in lengths):
                sizes[axis] += 1
        return np.zeros(sizes, other.dtype)

    return first, keras.tree.map_structure(widened, first, second)


def _counts(array):
    return array.dtype.kind in "iub"
