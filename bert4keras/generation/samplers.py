"""Greedy decoding and sampling, and the logits processors that come before them.

Letters in shapes: B prompts, N rows of each, R = B N rows, T columns of tokens, V ids in the
vocabulary. Tokens are -1 where there is none. The logit of a forbidden token is -inf.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from bert4keras.backend.types import NDArray, Tensor
from bert4keras.generation.step_context import pad_axis


class SamplingParams(NamedTuple):
    """Options that compiled programs take as tensors: a new value compiles nothing.

    None where an option has no effect. See ``GenerationConfig`` for their meaning.

    Args:
        prompt_columns: columns of ``tokens`` before the first generated one.
        stop_ids: (S,) int32, the ids that end a sequence; [-1] for none.
    """

    prompt_columns: Any
    max_new_tokens: Any
    stop_ids: Any
    length_penalty: Any
    min_new_tokens: Any = None
    repetition_penalty: Any = None
    temperature: Any = None
    top_p: Any = None
    min_p: Any = None
    typical_p: Any = None


class SamplerInputs(NamedTuple):
    """Tensors from the host for the selection of tokens; None where they are not needed.

    Args:
        uniform: (B, N, T) random numbers from 0 to 1, one for each draw.
        allowed_mask: (B, N, V) bools, the tokens that ``prefix_allowed_tokens_fn`` allows.
    """

    uniform: Tensor | None = None
    allowed_mask: Tensor | None = None


class SamplerState(NamedTuple):
    """State of greedy decoding and sampling.

    Args:
        tokens: (B, N, T) int32, prompts and generated tokens.
        last_token: (B, N) int32, the newest token of each row.
        score: (B, N), log probability of the generated tokens.
        error_code: (B, N) int32: 0; 1 + the step at which logits were NaN; or minus that where no
            token was possible.
        is_done: (B,), True where all rows of a prompt have ended.
        has_ended: (B, N), True where a row has its stop id.
    """

    tokens: Tensor
    last_token: Tensor
    score: Tensor
    error_code: Tensor
    is_done: Tensor
    has_ended: Tensor


# Functions on logits (R, V)


def _token_presence(tokens: Tensor, size: int) -> Tensor:
    """Find which of ``size`` ids occur in each row of tokens (R, T): bools (R, size)."""
    rows = ops.shape(tokens)[0]
    first = ops.expand_dims(ops.arange(rows, dtype="int32") * (size + 1), 1)
    indices = ops.reshape(first + ops.where(tokens < 0, size, tokens), (-1, 1))
    marks = ops.ones_like(indices[:, 0])
    counts = ops.scatter_update(ops.zeros((rows * (size + 1),), "int32"), indices, marks)
    return ops.reshape(counts, (rows, size + 1))[:, :size] > 0


def _forbid(logits: Tensor, mask: Tensor) -> Tensor:
    """Set logits to -inf where a mask is True."""
    return ops.where(mask, -np.inf, logits)


def penalize_repetition(logits: Tensor, tokens: Tensor, penalty: Any) -> Tensor:
    """Divide positive logits of earlier tokens by the penalty, multiply negative ones by it.

    Keskar et al., "CTRL", arXiv:1909.05858.
    """
    penalized_logits = ops.where(logits < 0, logits * penalty, logits / penalty)
    return ops.where(_token_presence(tokens, logits.shape[-1]), penalized_logits, logits)


def forbid_repeated_ngrams(logits: Tensor, tokens: Tensor, length: Any, n: int) -> Tensor:
    """Forbid tokens that would repeat an n-gram (Paulus et al., arXiv:1705.04304).

    Args:
        logits: (R, V).
        tokens: (R, T), filled up to column ``length``, the rest -1.
        length: scalar int32.
        n: at least 1.
    """
    columns = ops.shape(tokens)[1]
    padded_tokens = ops.pad(tokens, [[0, 0], [0, n - 1]], constant_values=-1)
    closing = padded_tokens[:, n - 1 : n - 1 + columns]
    is_repeated = closing >= 0
    for offset in range(n - 1):
        index = length - (n - 1) + offset
        newest = ops.take(tokens, ops.maximum(index, 0), axis=1)[:, None]
        equal = ops.equal(padded_tokens[:, offset : offset + columns], newest)
        is_repeated = is_repeated & equal & (newest >= 0) & (index >= 0)
    closing = ops.where(is_repeated, closing, -1)
    return _forbid(logits, _token_presence(closing, logits.shape[-1]))


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Filter by top-k: keep the k largest logits and their ties (Fan et al., arXiv:1805.04833)."""
    smallest = ops.top_k(logits, min(k, logits.shape[-1]))[0][:, -1:]
    return _forbid(logits, logits < smallest)


def keep_top_p(logits: Tensor, p: Any) -> Tensor:
    """Filter by top-p (nucleus sampling): keep the fewest tokens that reach the probability p.

    Ties of the last one stay as well. Holtzman et al., arXiv:1904.09751.
    """
    sorted_logits = ops.flip(ops.sort(logits, axis=-1), axis=-1)
    weights = ops.softmax(sorted_logits, axis=-1)
    is_needed = (ops.cumsum(weights, axis=-1) - weights < p) | (
        sorted_logits >= sorted_logits[:, :1]
    )
    smallest = ops.min(ops.where(is_needed, sorted_logits, np.inf), axis=-1, keepdims=True)
    return _forbid(logits, logits < smallest)


def keep_min_p(logits: Tensor, p: Any) -> Tensor:
    """Filter by min-p: keep tokens at least p times as probable as the best (arXiv:2407.01082)."""
    return _forbid(logits, logits < ops.max(logits, axis=-1, keepdims=True) + ops.log(p))


def keep_typical(logits: Tensor, p: Any) -> Tensor:
    """Filter by typical-p: keep tokens of the most typical surprise that reach p together.

    Meister et al., "Locally Typical Sampling", arXiv:2202.00666.
    """
    logs = ops.log_softmax(logits, axis=-1)
    weights = ops.exp(logs)
    entropy = -ops.sum(ops.where(weights > 0, weights * logs, 0.0), axis=-1, keepdims=True)
    deviation = ops.abs(-logs - entropy)
    order = ops.argsort(deviation, axis=-1)
    weights = ops.take_along_axis(weights, order, axis=-1)
    sorted_logits = ops.take_along_axis(deviation, order, axis=-1)
    is_needed = (ops.cumsum(weights, axis=-1) - weights < p) | (
        sorted_logits <= sorted_logits[:, :1]
    )
    largest = ops.max(ops.where(is_needed, sorted_logits, -np.inf), axis=-1, keepdims=True)
    return _forbid(logits, deviation > largest)


def sample_tokens(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw a token of each row by its probability.

    Args:
        logits: (R, V).
        uniform: (R,), from 0 to below 1, where in the summed probabilities the token lies.

    Returns:
        (R,) int32; never a token with the logit -inf.
    """
    weights = ops.softmax(logits, axis=-1)
    sums = ops.cumsum(weights, axis=-1)
    is_before = ops.cast(sums <= uniform[:, None] * sums[:, -1:], "int32")
    token = ops.minimum(ops.sum(is_before, axis=-1), logits.shape[-1] - 1)
    weight = ops.take_along_axis(weights, token[:, None], axis=-1)[:, 0]
    likeliest = ops.cast(ops.argmax(weights, axis=-1), "int32")
    return ops.where(weight > 0, ops.cast(token, "int32"), likeliest)  # rounding may hit a gap


@dataclass(frozen=True)
class LogitsProcessors:
    """The logits processors in their order; programs are compiled for these options.

    Args:
        top_k: 0 keeps all tokens.
        no_repeat_ngram_size: 0 allows repetition.
        logits_processor: callable(tokens, length, logits) -> logits, or None.
    """

    top_k: int = 0
    no_repeat_ngram_size: int = 0
    logits_processor: Callable[..., Tensor] | None = None

    def constrain(
        self,
        logits: Tensor,
        tokens: Tensor,
        count: Tensor,
        params: SamplingParams,
        allowed_mask: Tensor | None = None,
    ) -> Tensor:
        """Apply the penalties and prohibitions, which hold for beam search too."""
        length = params.prompt_columns + count
        if params.repetition_penalty is not None:
            logits = penalize_repetition(logits, tokens, params.repetition_penalty)
        if self.no_repeat_ngram_size:
            logits = forbid_repeated_ngrams(logits, tokens, length, self.no_repeat_ngram_size)
        if params.min_new_tokens is not None:
            stops = _token_presence(params.stop_ids[None], logits.shape[-1])
            logits = _forbid(logits, stops & (count < params.min_new_tokens))
        if allowed_mask is not None:
            logits = _forbid(logits, ops.logical_not(allowed_mask))
        if self.logits_processor is not None:
            logits = self.logits_processor(tokens, length, logits)
        return logits

    def truncate(self, logits: Tensor, params: SamplingParams) -> Tensor:
        """Apply the temperature, then filter by top-k, top-p, min-p and typical-p."""
        if params.temperature is not None:
            logits = logits / params.temperature
        if self.top_k:
            logits = keep_top_k(logits, self.top_k)
        if params.top_p is not None:
            logits = keep_top_p(logits, params.top_p)
        if params.min_p is not None:
            logits = keep_min_p(logits, params.min_p)
        if params.typical_p is not None:
            logits = keep_typical(logits, params.typical_p)
        return logits


# Functions on states


def flatten_rows(x: Tensor) -> Tensor:
    """Reshape (B, N, ...) to (R, ...)."""
    shape = ops.shape(x)
    return ops.reshape(x, (shape[0] * shape[1], *shape[2:]))


def write_column(tokens: Tensor, column: Tensor, token: Tensor) -> Tensor:
    """Write ``token`` (B, N) into a column of tokens (B, N, T)."""
    is_column = ops.equal(ops.arange(ops.shape(tokens)[2], dtype="int32"), column)
    return ops.where(is_column, ops.expand_dims(token, -1), tokens)


def is_stop(token: Tensor, params: SamplingParams) -> Tensor:
    """True where tokens (B, N) are stop ids."""
    return ops.any(ops.equal(ops.expand_dims(token, -1), params.stop_ids), axis=-1)


@dataclass(frozen=True)
class Sampler:
    """Greedy decoding or sampling: each row takes its most probable token, or draws one.

    Args:
        rows_per_prompt: N.
        do_sample: draw.
        processors: the logits processors.
    """

    rows_per_prompt: int = 1
    do_sample: bool = False
    processors: LogitsProcessors = LogitsProcessors()

    def init_state(self, tokens: NDArray[Any]) -> SamplerState:
        """Return the state before the first token, as arrays, for tokens (B, N, T)."""
        rows = tokens.shape[:2]
        return SamplerState(
            tokens=tokens,
            last_token=np.zeros(rows, "int32"),
            score=np.zeros(rows, "float32"),
            error_code=np.zeros(rows, "int32"),
            is_done=np.zeros(rows[0], bool),
            has_ended=np.zeros(rows, bool),
        )

    def grow_state(self, state: SamplerState, extra: int) -> SamplerState:
        """Add columns for further tokens."""
        return state._replace(tokens=pad_axis(state.tokens, -1, extra, -1))

    def select_tokens(
        self,
        state: SamplerState,
        logits: Tensor,
        count: Tensor,
        params: SamplingParams,
        inputs: SamplerInputs,
    ) -> tuple[SamplerState, None]:
        """Select the next token of each row.

        Args:
            state: the state before.
            logits: (R, V), float32.
            count: scalar int32, the number of tokens generated before.

        Returns:
            The new state, and None for parents: rows keep their places.
        """
        allowed_mask = None if inputs.allowed_mask is None else flatten_rows(inputs.allowed_mask)
        processed_logits = self.processors.constrain(
            logits, flatten_rows(state.tokens), count, params, allowed_mask
        )
        token = self._next_token(processed_logits, count, params, inputs)
        token = ops.reshape(token, ops.shape(state.last_token))
        is_live = ops.logical_not(state.has_ended)
        gain = ops.take_along_axis(ops.log_softmax(logits), flatten_rows(token)[:, None], axis=-1)
        gain = ops.reshape(gain, ops.shape(token))
        has_ended = state.has_ended | is_stop(token, params)
        column = params.prompt_columns + count
        error_code = _error_code(logits, processed_logits, count, ops.shape(token))
        return SamplerState(
            tokens=write_column(state.tokens, column, ops.where(is_live, token, -1)),
            last_token=ops.where(is_live, token, state.last_token),
            score=state.score + ops.where(is_live, gain, 0.0),
            error_code=ops.where(is_live, error_code, 0),
            is_done=ops.all(has_ended, axis=1),
            has_ended=has_ended,
        ), None

    def _next_token(self, processed_logits, count, params, inputs):
        if not self.do_sample:
            return ops.cast(ops.argmax(processed_logits, axis=-1), "int32")
        uniform = flatten_rows(ops.take(inputs.uniform, count, axis=2)[..., None])[:, 0]
        return sample_tokens(self.processors.truncate(processed_logits, params), uniform)

    def is_live(self, state: SamplerState) -> NDArray[Any]:
        """True where a row (B, N) gets further tokens, from a state of arrays."""
        return ~state.has_ended & ~state.is_done[:, None]

    def results(
        self, state: SamplerState, row: int, count: int
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return tokens and scores of a prompt's first ``count`` rows, from a state of arrays."""
        return state.tokens[row, :count], state.score[row, :count]


def _error_code(logits, processed_logits, count, shape):
    no_token = ops.where(ops.max(processed_logits, axis=-1) > -np.inf, 0, -1 - count)
    code = ops.where(ops.any(ops.isnan(logits), axis=-1), 1 + count, no_token)
    return ops.reshape(code, shape)
