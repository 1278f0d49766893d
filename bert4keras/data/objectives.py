"""Pretraining objectives: masked, causal and prefix language models over rows of tokens."""

from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.checks import check_integer


def _draw_uniform(seed, epochs, row_indices, shape):
    """Draw numbers from [0, 1) that depend only on seed, epoch and the index of a row.

    Philox, a counter-based generator, gives the same array (B, *shape) in any batch.

    Example:
        >>> batch = _draw_uniform(1, [0, 0], [5, 6], (2,))
        >>> (batch[1] == _draw_uniform(1, [0], [6], (2,))[0]).all()
        np.True_
    """
    bit_generators = [
        np.random.Philox(key=np.array([seed, epoch]), counter=np.array([0, index, 0, 0]))
        for epoch, index in zip(np.asarray(epochs), np.asarray(row_indices))
    ]
    return np.stack([np.random.Generator(bits).random(shape) for bits in bit_generators])


class _Objective:
    """Base of the objectives: a callable from rows to a batch."""

    application: Any = None  # for build_transformer_model

    def __init__(self, tokenizer: Any, seed: int = 0) -> None:
        self.seed: int = check_integer("seed", seed, minimum=0, maximum=2**64 - 1)
        self.pad_id: Any = tokenizer.pad_id
        self.end_id: Any = tokenizer.end_id
        special_ids = (tokenizer.pad_id, tokenizer.start_id, tokenizer.end_id, tokenizer.mask_id)
        self.special_ids: list[int] = [token_id for token_id in special_ids if token_id is not None]

    def _row_lengths(self, token_ids: NDArray[Any]) -> NDArray[Any]:
        """Return the number of tokens of each row, (B, 1): padding is the run at its end.

        A row ends with the end token. If padding has the same id, the first of the run is the end.
        """
        is_token = token_ids != self.pad_id
        lengths = (is_token * np.arange(1, token_ids.shape[1] + 1)).max(axis=1, keepdims=True)
        return np.minimum(lengths + (self.pad_id == self.end_id), token_ids.shape[1])

    def __call__(
        self, token_ids: Any, is_continuation: Any, row_indices: Any, epochs: Any
    ) -> tuple[Any, ...]:
        """Return a batch for ``fit``.

        Args:
            token_ids, is_continuation: (B, L), as ``ShardedDataset.read_rows`` returns them.
            row_indices, epochs: (B,), likewise.

        Returns:
            ((token_ids, segment_ids), targets, weights), all (B, L): ids are int32. Weights are
            float32: 1 at the positions whose scores predict a target, 0 elsewhere.
        """
        raise NotImplementedError


class MaskedLM(_Objective):
    """Masked language model with whole-word masking and new masks in each epoch.

    BERT (arXiv:1810.04805), whole words (arXiv:1906.08101), dynamic masks of RoBERTa
    (arXiv:1907.11692). Each word is selected with probability ``mask_rate``. Of the tokens of
    selected words 80 % become ``[MASK]``, 10 % a random token, and 10 % stay. Start, end and
    padding are never selected.

    Args:
        tokenizer: tokenizer with a ``[MASK]``.
        seed: seed of all random choices.
        mask_rate: share of words to select.
        max_predictions: K, maximum number of tokens to select in a row; words beyond it are not
            selected. A batch is then ``((token_ids, segment_ids, positions), targets, weights)``,
            the last three (B, K). The model needs the scores of these positions only, which saves
            most of the work of the output layer.

    Raises:
        ValueError: the tokenizer has no ``[MASK]``, or ``mask_rate`` is not between 0 and 1.

    Example:
        >>> from bert4keras.tokenizers import Tokenizer
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 春 山".split()
        >>> objective = MaskedLM(Tokenizer({x: i for i, x in enumerate(tokens)}), mask_rate=0.5)
        >>> row = np.array([[2, 5, 6, 3, 0]])
        >>> (inputs, segments), targets, weights = objective(row, row < 0, [0], [0])
        >>> targets.tolist(), weights[0, [0, 3, 4]].tolist()
        ([[2, 5, 6, 3, 0]], [0.0, 0.0, 0.0])
    """

    application: str = "encoder"

    def __init__(
        self,
        tokenizer: Any,
        seed: int = 0,
        mask_rate: float = 0.15,
        max_predictions: int | None = None,
    ) -> None:
        super().__init__(tokenizer, seed)
        if tokenizer.mask_id is None or not 0 < mask_rate < 1:
            raise ValueError(
                "Expected a tokenizer with the token [MASK] and mask_rate between 0 and 1, got "
                f"mask_id={tokenizer.mask_id} and mask_rate={mask_rate}. Add the token to the "
                "vocabulary, or pass a share such as 0.15."
            )
        self.mask_id: int = tokenizer.mask_id
        self.mask_rate: float = mask_rate
        if max_predictions is not None:
            check_integer("max_predictions", max_predictions, minimum=1)
        self.max_predictions = max_predictions
        self._random_ids = np.setdiff1d(np.arange(tokenizer.vocab_size), self.special_ids)

    def __call__(
        self, token_ids: Any, is_continuation: Any, row_indices: Any, epochs: Any
    ) -> tuple[Any, ...]:
        selection, action, choice = np.moveaxis(
            _draw_uniform(self.seed, epochs, row_indices, (3, token_ids.shape[1])), 1, 0
        )
        is_target = self._select_words(token_ids, is_continuation, selection)
        random_ids = self._random_ids[(choice * len(self._random_ids)).astype(int)]
        new_ids = np.where(action < 0.9, random_ids, token_ids)
        new_ids = np.where(action < 0.8, self.mask_id, new_ids)
        new_ids = np.where(is_target, new_ids, token_ids)
        inputs, targets, weights = _make_batch(new_ids, 0, token_ids, is_target)
        if self.max_predictions is None:
            return inputs, targets, weights
        positions = np.argsort(~is_target, axis=1, kind="stable")
        positions = positions[:, : self.max_predictions].astype("int32")
        targets, weights = (np.take_along_axis(x, positions, axis=1) for x in (targets, weights))
        return (*inputs, positions), targets, weights

    def _select_words(self, token_ids, is_continuation, selection):
        """Select tokens by the random number of the first token of their word."""
        starts = np.where(is_continuation, 0, np.arange(token_ids.shape[1]))
        starts = np.maximum.accumulate(starts, axis=1)  # where the word of each token starts
        word_selection = np.take_along_axis(selection, starts, axis=1)
        word_selection = np.where(np.isin(token_ids, self.special_ids), 1, word_selection)
        if self.max_predictions is not None and self.max_predictions < token_ids.shape[1]:
            limit = np.sort(word_selection, axis=1)[:, self.max_predictions, None]
            return word_selection < np.minimum(limit, self.mask_rate)
        return word_selection < self.mask_rate


class CausalLM(_Objective):
    """Causal language model: predict every token, and the end, from the tokens before it.

    Args:
        tokenizer: tokenizer of the rows.
        seed: no effect, because nothing is random.

    Example:
        >>> from bert4keras.tokenizers import Tokenizer
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] 春 山".split()
        >>> objective = CausalLM(Tokenizer({x: i for i, x in enumerate(tokens)}))
        >>> row = np.array([[2, 4, 5, 3, 0]])
        >>> inputs, targets, weights = objective(row, row < 0, [0], [0])
        >>> targets.tolist(), weights.tolist()
        ([[4, 5, 3, 0, 0]], [[1.0, 1.0, 1.0, 0.0, 0.0]])
    """

    application: str = "lm"

    def __call__(
        self, token_ids: Any, is_continuation: Any, row_indices: Any, epochs: Any
    ) -> tuple[Any, ...]:
        targets = self._shift_left(token_ids)
        is_target = np.arange(1, token_ids.shape[1] + 1) < self._row_lengths(token_ids)
        return _make_batch(token_ids, 0, targets, is_target)

    def _shift_left(self, token_ids: NDArray[Any]) -> NDArray[Any]:
        """Return for each position the next token."""
        return np.pad(token_ids[:, 1:], ((0, 0), (0, 1)), constant_values=self.pad_id)


class PrefixLM(CausalLM):
    """Prefix language model of UniLM (arXiv:1905.03197): predict the rest of a row from its start.

    A row is cut between two words at a random place in its middle half, another in each epoch. The
    tokens before it, and a ``[SEP]`` inserted there, are the source, segment 0. The rest is the
    target, segment 1, predicted token by token. A row without room for that ``[SEP]`` loses its
    last token.

    Args:
        tokenizer: tokenizer of the rows.
        seed: seed of all random choices.

    Example:
        >>> from bert4keras.tokenizers import Tokenizer
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] 春 山".split()
        >>> objective = PrefixLM(Tokenizer({x: i for i, x in enumerate(tokens)}))
        >>> row = np.array([[2, 4, 5, 3, 0]])
        >>> (token_ids, segment_ids), targets, weights = objective(row, row < 0, [0], [0])
        >>> token_ids.tolist(), segment_ids.tolist()
        ([[2, 4, 3, 5, 3]], [[0, 0, 0, 1, 1]])
    """

    application: str = "unilm"

    def __call__(
        self, token_ids: Any, is_continuation: Any, row_indices: Any, epochs: Any
    ) -> tuple[Any, ...]:
        positions = np.arange(token_ids.shape[1])
        draws = _draw_uniform(self.seed, epochs, row_indices, (1,))
        cuts = self._select_cuts(token_ids, is_continuation, draws)
        new_ids = np.take_along_axis(token_ids, positions - (positions > cuts), axis=1)
        new_ids = np.where(positions == cuts, self.end_id, new_ids)
        lengths = self._row_lengths(token_ids) + 1  # with that [SEP]
        new_ids = np.where(
            (lengths > len(positions)) & (positions == positions[-1]), self.end_id, new_ids
        )
        segment_ids = (positions > cuts) & (positions < lengths)
        targets = self._shift_left(new_ids)
        is_target = (positions >= cuts) & (positions + 1 < np.minimum(lengths, len(positions)))
        return _make_batch(new_ids, segment_ids, targets, is_target)

    def _select_cuts(self, token_ids, is_continuation, draws):
        """Return where targets begin, (B, 1): at a word, or at the end if there is only one."""
        positions = np.arange(token_ids.shape[1])
        lengths = self._row_lengths(token_ids) - 2
        ideal_cuts = 1 + lengths * (0.25 + 0.5 * draws)
        is_possible = ~is_continuation & (positions > 1) & (positions <= lengths + 1)
        distances = np.where(is_possible, np.abs(positions - ideal_cuts), np.inf)
        return distances.argmin(axis=1)[:, None]


def _make_batch(token_ids, segment_ids, targets, is_target):
    segment_ids = np.broadcast_to(segment_ids, token_ids.shape)
    arrays = (token_ids, segment_ids, targets)
    token_ids, segment_ids, targets = (np.ascontiguousarray(x, "int32") for x in arrays)
    return (token_ids, segment_ids), targets, is_target.astype("float32")
