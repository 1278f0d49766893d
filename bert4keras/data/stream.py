"""Endless datasets of batches for ``fit`` on every backend: streams and pretraining batches."""

import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from bert4keras.backend import keras
from bert4keras.backend.types import NDArray
from bert4keras.checks import check_callable, check_integer
from bert4keras.data.shards import ShardedDataset

__all__ = ["BatchStream", "PretrainingDataset"]


def to_keras_batch(item: Any) -> tuple[Any, ...]:
    """Convert what a generator yields to the tuples that Keras 3 takes.

    Args:
        item: ``inputs, targets`` or ``inputs, targets, weights`` as a tuple or list, each an array,
            a list of arrays, a dict or None; or the inputs alone.

    Returns:
        A tuple, with tuples in place of lists of arrays.

    Example:
        >>> to_keras_batch(([1, 2], None))
        ((1, 2), None)
    """
    if not isinstance(item, tuple | list):
        return (item,)
    return tuple(tuple(part) if isinstance(part, list) else part for part in item)


class _EndlessDataset(keras.utils.PyDataset):
    """Base of datasets without end, which ``fit`` cannot shuffle."""

    num_batches = None  # endless, to Keras

    def __init__(self):
        super().__init__()
        # `fit` shuffles by default and warns that it cannot: no user did anything wrong here
        warnings.filterwarnings("ignore", "`shuffle=True` was passed.* infinite PyDataset")


class BatchStream(_EndlessDataset):
    """Endless iterator over batches that ``fit``, ``evaluate`` and ``predict`` take as well.

    Keras on TensorFlow infers the shape of all batches from the first two. Whether their lengths
    differ is chance for a plain generator; a stream answers with two probes whose lengths do (see
    ``make_shape_probes``).

    Args:
        items: iterable of the items that ``next`` returns.
        convert: function from an item to the tuple for Keras.

    Example:
        >>> batches = BatchStream(iter([(np.ones((2, 3)), None)] * 2))
        >>> inputs, targets = next(batches)
        >>> inputs.shape
        (2, 3)
    """

    def __init__(
        self, items: Iterable[Any], convert: Callable[[Any], tuple[Any, ...]] = to_keras_batch
    ) -> None:
        super().__init__()
        self.items: Iterator[Any] = iter(items)
        self.convert = convert
        self.lookahead: deque[Any] = deque()  # items that probes were made of, not yet returned
        self.lock: Any = threading.RLock()  # one fit may still read ahead when the next begins
        self.in_epoch: bool = False
        self.probe_count: int = 0
        self.is_fresh: bool = True  # True until the first batch is read
        self.build_batch: Any = None  # the batch that Keras built the model with

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self.lock:
            return self.lookahead.popleft() if self.lookahead else next(self.items)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        with self.lock:
            return self._get_batch(number)

    def _get_batch(self, number: int) -> tuple[Any, ...]:
        # Batches 0 and 1 requested before an epoch begins: Keras only reads their shapes.
        if not self.in_epoch and number == self.probe_count < 2:
            self.probe_count += 1
            return self._shape_probe(number)
        # Keras on JAX and torch builds the model with batch 0, then requests batch 0 again.
        if number == 0 and self.build_batch is not None:
            batch, self.build_batch = self.build_batch, None
            return batch
        batch = self._to_keras(next(self))
        self.build_batch = batch if self.is_fresh else None
        self.is_fresh = False
        return batch

    def on_epoch_begin(self) -> None:
        self.in_epoch = True
        self.probe_count = 0

    def on_epoch_end(self) -> None:
        self.in_epoch = False

    def _to_keras(self, item: Any) -> tuple[Any, ...]:
        batch = self.convert(item)
        while batch[-1] is None:
            batch = batch[:-1]
        return batch

    def _shape_probe(self, number: int) -> tuple[Any, ...]:
        while len(self.lookahead) < 2:
            self.lookahead.append(next(self.items))
        return make_shape_probes(*map(self._to_keras, self.lookahead))[number]


def make_shape_probes(first: Any, second: Any) -> tuple[Any, Any]:
    """Return two batches whose shapes differ on every axis that may differ between batches.

    Such an axis differs between the two given batches; or is an inner axis of an integer array; or
    has the length, if not 1, of the rows of an integer matrix (token ids). A last axis of length 1
    stays, because losses squeeze it, and so do the features of float arrays.

    Args:
        first, second: batches: nested tuples or dicts of arrays, (B, ...) each.

    Returns:
        The first batch, and zeros in the structure of the second.

    Example:
        >>> token_ids, labels = np.ones((2, 7), "int64"), np.ones((2, 1), "int64")
        >>> probes = make_shape_probes((token_ids, labels), (token_ids, labels))
        >>> [zeros.shape for zeros in probes[1]]
        [(2, 8), (2, 1)]
    """
    arrays = [x for x in keras.tree.flatten(second) if isinstance(x, np.ndarray)]
    lengths = {x.shape[1] for x in arrays if x.ndim == 2 and _is_integer(x)} - {1}

    def widen(first_part, second_part):
        if not isinstance(second_part, np.ndarray):
            return second_part
        sizes = list(second_part.shape)
        for axis in range(1, second_part.ndim):
            is_inner = _is_integer(second_part) and axis < second_part.ndim - 1
            if sizes[axis] == first_part.shape[axis] and (is_inner or sizes[axis] in lengths):
                sizes[axis] += 1
        return np.zeros(sizes, second_part.dtype)

    return first, keras.tree.map_structure(widen, first, second)


def _is_integer(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "iub"


class PretrainingDataset(_EndlessDataset):
    """Endless batches of a corpus for ``fit(..., steps_per_epoch=...)``, in a reproducible order.

    Batch number n never changes: a run that resumes from n gets the batches of the uninterrupted
    run. Batches continue over the end of an epoch of the corpus, so all have one shape.

    Args:
        dataset: ``ShardedDataset``, or an object with the same ``read_rows``.
        objective: ``MaskedLM``, ``CausalLM`` or ``PrefixLM``, or a callable like them.
        batch_size: B, rows of a batch.
        first_batch: number of the batch to begin with.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from bert4keras.data import CausalLM, PretrainingDataset, ShardedDataset, write_shards
        >>> from bert4keras.tokenizers import Tokenizer
        >>> tokenizer = Tokenizer({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "春": 4})
        >>> rows = [(np.array([2, 4, 3, 0]), np.zeros(4, bool))] * 3
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = write_shards(rows, folder)
        ...     dataset = ShardedDataset(folder)
        ...     batches = PretrainingDataset(dataset, CausalLM(tokenizer), batch_size=2)
        ...     (token_ids, segment_ids), targets, weights = batches[7]
        >>> token_ids.shape, len(dataset) / batches.batch_size  # batches of an epoch
        ((2, 4), 1.5)
    """

    def __init__(
        self,
        dataset: ShardedDataset,
        objective: Callable[..., tuple[Any, ...]],
        batch_size: int = 32,
        first_batch: int = 0,
    ) -> None:
        super().__init__()
        self.dataset: Any = dataset
        self.objective: Callable[..., tuple[Any, ...]] = check_callable("objective", objective)
        self.batch_size: int = check_integer("batch_size", batch_size, minimum=1)
        self.first_batch: int = check_integer("first_batch", first_batch, minimum=0)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        begin = (self.first_batch + number) * self.batch_size
        return self.objective(*self.dataset.read_rows(begin, begin + self.batch_size))
