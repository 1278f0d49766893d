"""What a model learns from rows of tokens: masked ones, the next ones, the second half."""

import numpy as np


def draws(seed, epochs, numbers, shape):
    """Numbers from [0, 1) that depend on nothing but seed, epoch and the number of a row.

    Args:
        seed: a whole number from 0.
        epochs, numbers: of B rows.
        shape: of the numbers of a row.

    Returns:
        Array (B, *shape), by the counter-based generator Philox: the same in any batch.

    Example:
        >>> both, one = draws(1, [0, 0], [5, 6], (2,)), draws(1, [0], [6], (2,))
        >>> (both[1] == one[0]).all()
        np.True_
    """
    rows = [
        np.random.Philox(key=np.array([seed, epoch]), counter=np.array([0, number, 0, 0]))
        for epoch, number in zip(epochs, numbers)
    ]
    return np.stack([np.random.Generator(row).random(shape) for row in rows])


class _Objective:
    """Base of what makes batches of rows.

    Args:
        tokenizer: whose rows they are.
        seed: of all that is drawn; it is drawn anew for each row in each epoch.
    """

    application = None  # that build_transformer_model takes

    def __init__(self, tokenizer, seed=0):
        self.seed = seed
        self.pad, self.end = tokenizer._token_pad_id, tokenizer._token_end_id
        special = (getattr(tokenizer, f"_token_{x}_id") for x in ("pad", "start", "end", "mask"))
        self.special = [token for token in special if token is not None]

    def __call__(self, token_ids, continues, numbers, epochs):
        """A batch for `fit`.

        Args:
            token_ids, continues: (B, L), as `Shards.rows` gives them.
            numbers, epochs: (B,), likewise.

        Returns:
            ((token_ids, segment_ids), targets, weights), all (B, L): ids are int32, and weights
            float32, 1 where the score of a place is to tell its target and 0 elsewhere.
        """
        raise NotImplementedError


class MaskedLM(_Objective):
    """Masked language model with whole words and new masks in each epoch.

    BERT (arXiv:1810.04805), whole words (arXiv:1906.08101), dynamic masks of RoBERTa
    (arXiv:1907.11692). Each word is chosen with probability ``rate``; of the tokens of chosen words
    80 % become ``[MASK]``, 10 % any token, 10 % stay. Start, end and padding are never chosen.

    Args:
        tokenizer: with a ``[MASK]``.
        seed: of all that is drawn.
        rate: share of words to choose.
        most: K, tokens to choose in a row at most; words beyond it are left out. A batch is then
            ``((token_ids, segment_ids, places), targets, weights)``, the last three (B, K): only
            the scores of these places are needed, which saves most of the work of a token head.

    Raises:
        ValueError: the tokenizer has no ``[MASK]``; a rate that is no share.

    Example:
        >>> from bert4keras.tokenizers import Tokenizer
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 春 山".split()
        >>> objective = MaskedLM(Tokenizer({x: i for i, x in enumerate(tokens)}), rate=0.5)
        >>> row = np.array([[2, 5, 6, 3, 0]])
        >>> (inputs, segments), targets, weights = objective(row, row < 0, [0], [0])
        >>> targets.tolist(), weights[0, [0, 3, 4]].tolist()
        ([[2, 5, 6, 3, 0]], [0.0, 0.0, 0.0])
    """

    application = "encoder"

    def __init__(self, tokenizer, seed=0, rate=0.15, most=None):
        super().__init__(tokenizer, seed)
        if tokenizer._token_mask_id is None or not 0 < rate < 1:
            raise ValueError(
                "MaskedLM takes a tokenizer with the token [MASK] and a rate between 0 and 1, "
                f"got [MASK] as {tokenizer._token_mask_id} and rate={rate}"
            )
        self.mask, self.rate, self.most = tokenizer._token_mask_id, rate, most
        self.others = np.setdiff1d(np.arange(tokenizer._vocab_size), self.special)

    def __call__(self, token_ids, continues, numbers, epochs):
        of_token, what, other = np.moveaxis(
            draws(self.seed, epochs, numbers, (3, token_ids.shape[1])), 1, 0
        )
        chosen = self._chosen(token_ids, continues, of_token)
        others = self.others[(other * len(self.others)).astype(int)]
        put = np.where(what < 0.8, self.mask, np.where(what < 0.9, others, token_ids))
        inputs, targets, weights = _batch(np.where(chosen, put, token_ids), 0, token_ids, chosen)
        if self.most is None:
            return inputs, targets, weights
        places = np.argsort(~chosen, axis=1, kind="stable")[:, : self.most].astype("int32")
        targets, weights = (np.take_along_axis(x, places, axis=1) for x in (targets, weights))
        return (*inputs, places), targets, weights

    def _chosen(self, token_ids, continues, of_token):
        """Which tokens are chosen, by the number drawn for the first of their word."""
        begins = np.where(continues, 0, np.arange(token_ids.shape[1]))
        begins = np.maximum.accumulate(begins, axis=1)  # where the word of each token begins
        of_word = np.take_along_axis(of_token, begins, axis=1)
        of_word = np.where(np.isin(token_ids, self.special), 1, of_word)
        if self.most is not None and self.most < token_ids.shape[1]:
            limit = np.sort(of_word, axis=1)[:, self.most, None]
            return of_word < np.minimum(limit, self.rate)
        return of_word < self.rate


class CausalLM(_Objective):
    """Language model: every token, and the end, from those before.

    Args:
        tokenizer: whose rows they are.
        seed: not used, for nothing is drawn.

    Example:
        >>> from bert4keras.tokenizers import Tokenizer
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] 春 山".split()
        >>> objective = CausalLM(Tokenizer({x: i for i, x in enumerate(tokens)}))
        >>> row = np.array([[2, 4, 5, 3, 0]])
        >>> inputs, targets, weights = objective(row, row < 0, [0], [0])
        >>> targets.tolist(), weights.tolist()
        ([[4, 5, 3, 0, 0]], [[1.0, 1.0, 1.0, 0.0, 0.0]])
    """

    application = "lm"

    def __call__(self, token_ids, continues, numbers, epochs):
        targets = self._next(token_ids)
        return _batch(token_ids, 0, targets, targets != self.pad)

    def _next(self, token_ids):
        return np.pad(token_ids[:, 1:], ((0, 0), (0, 1)), constant_values=self.pad)


class PrefixLM(CausalLM):
    """UniLM (arXiv:1905.03197): the rest of a row from its beginning.

    A row is cut between two words, somewhere in its middle half, drawn anew in each epoch. What
    comes before, and a ``[SEP]`` put there, is the source, segment 0; the rest is the target,
    segment 1, learnt token by token. A row without room for that ``[SEP]`` loses its last token.

    Args:
        tokenizer: whose rows they are.
        seed: of all that is drawn.

    Example:
        >>> from bert4keras.tokenizers import Tokenizer
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] 春 山".split()
        >>> objective = PrefixLM(Tokenizer({x: i for i, x in enumerate(tokens)}))
        >>> row = np.array([[2, 4, 5, 3, 0]])
        >>> (token_ids, segment_ids), targets, weights = objective(row, row < 0, [0], [0])
        >>> token_ids.tolist(), segment_ids.tolist()
        ([[2, 4, 3, 5, 3]], [[0, 0, 0, 1, 1]])
    """

    application = "unilm"

    def __call__(self, token_ids, continues, numbers, epochs):
        places = np.arange(token_ids.shape[1])
        cuts = self._cuts(token_ids, continues, draws(self.seed, epochs, numbers, (1,)))
        moved = np.take_along_axis(token_ids, places - (places > cuts), axis=1)
        moved = np.where(places == cuts, self.end, moved)
        full = (token_ids[:, -1] != self.pad)[:, None] & (places == places[-1])
        moved = np.where(full, self.end, moved)
        segment_ids = (places > cuts) & (moved != self.pad)
        targets = self._next(moved)
        learnt = (places >= cuts) & (targets != self.pad)
        return _batch(moved, segment_ids, targets, learnt)

    def _cuts(self, token_ids, continues, drawn):
        """(B, 1): where the target begins: at a word, or at the end where there is no other."""
        places = np.arange(token_ids.shape[1])
        lengths = (token_ids != self.pad).sum(axis=1, keepdims=True) - 2
        wanted = 1 + lengths * (0.25 + 0.5 * drawn)
        possible = ~continues & (places > 1) & (places <= lengths + 1)
        distance = np.where(possible, np.abs(places - wanted), np.inf)
        return distance.argmin(axis=1)[:, None]


def _batch(token_ids, segment_ids, targets, learnt):
    segment_ids = np.broadcast_to(segment_ids, token_ids.shape)
    ids = [np.ascontiguousarray(x, "int32") for x in (token_ids, segment_ids, targets)]
    return (ids[0], ids[1]), ids[2], learnt.astype("float32")
