"""Batches of a corpus without end, each known by its number alone: a run can begin anywhere."""

import warnings

from bert4keras.backend import keras


class PretrainingBatches(keras.utils.PyDataset):
    """Batches for ``fit(..., steps_per_epoch=...)``, which shuffles nothing of them.

    Batch number n is the same whenever and wherever it is asked for: a run that goes on from n
    learns from what the uninterrupted run would have learnt from. Batches run on over the end of an
    epoch of the corpus, so that all have one shape.

    Args:
        shards: ``Shards``, or what has their ``rows``.
        objective: ``MaskedLM``, ``CausalLM`` or ``PrefixLM``, or a callable like them.
        batch_size: B, rows of a batch.
        first: number of the batch to begin with.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from bert4keras.data import CausalLM, PretrainingBatches, Shards, write_shards
        >>> from bert4keras.tokenizers import Tokenizer
        >>> tokenizer = Tokenizer({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "春": 4})
        >>> rows = [(np.array([2, 4, 3, 0]), np.zeros(4, bool))] * 3
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = write_shards(rows, folder)
        ...     batches = PretrainingBatches(Shards(folder), CausalLM(tokenizer), batch_size=2)
        ...     (token_ids, segment_ids), targets, weights = batches[7]
        >>> token_ids.shape, len(batches.shards) / batches.batch_size  # batches of an epoch
        ((2, 4), 1.5)
    """

    num_batches = None  # for Keras: endless

    def __init__(self, shards, objective, batch_size=32, first=0):
        super().__init__()
        # `fit` shuffles unless told otherwise; that these cannot be shuffled needs no warning
        warnings.filterwarnings("ignore", "`shuffle=True` was passed.* infinite PyDataset")
        self.shards, self.objective = shards, objective
        self.batch_size, self.first = batch_size, first

    def __getitem__(self, number):
        begin = (self.first + number) * self.batch_size
        return self.objective(*self.shards.rows(begin, begin + self.batch_size))
