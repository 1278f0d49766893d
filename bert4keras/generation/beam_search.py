"""Beam search: the N most probable sequences of each prompt are continued together.

Letters in shapes are those of ``samplers``; k is the number of continuations that are compared.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from keras import ops

from bert4keras.backend.types import NDArray, Tensor
from bert4keras.generation.samplers import (
    LogitsProcessors,
    SamplerInputs,
    SamplingParams,
    flatten_rows,
    is_stop,
    write_column,
)
from bert4keras.generation.step_context import pad_axis


class BeamState(NamedTuple):
    """State of a beam search: the running beams, and the best finished sequences, best first.

    Args:
        tokens: (B, N, T) int32, prompts and generated tokens of the running beams.
        last_token: (B, N) int32, the newest token of each beam.
        score: (B, N), log probability of each beam; -inf for none.
        error_code: (B, N) int32: 0, or 1 + the step at which logits were NaN.
        is_done: (B,), True where the search has ended.
        finished_tokens: (B, N, T) int32.
        finished_score: (B, N), with the length penalty.
        is_finished: (B, N), False where no sequence has finished yet.
    """

    tokens: Tensor
    last_token: Tensor
    score: Tensor
    error_code: Tensor
    is_done: Tensor
    finished_tokens: Tensor
    finished_score: Tensor
    is_finished: Tensor


def batched_take(x: Tensor, index: Tensor) -> Tensor:
    """Take entries (B, k, ...) of ``x`` (B, n, ...) at ``index`` (B, k)."""
    rows, size = ops.shape(x)[0], ops.shape(x)[1]
    first = ops.arange(rows, dtype="int32")[:, None] * size
    entries = ops.take(flatten_rows(x), ops.reshape(first + index, (-1,)), axis=0)
    return ops.reshape(entries, (rows, ops.shape(index)[1], *ops.shape(x)[2:]))


def _top_k(scores, k):
    """The k highest of scores (B, n), best first, and their indices."""
    values, index = ops.top_k(scores, k)
    return values, ops.cast(index, "int32")


@dataclass(frozen=True)
class BeamSearch:
    """Beam search with length normalization: score = log probability / length ** length_penalty.

    A sequence that ends is kept when it is among the N best continuations of its prompt.

    Args:
        rows_per_prompt: N, the number of beams.
        early_stopping: see ``GenerationConfig``.
        processors: the logits processors, which get log probabilities.
    """

    rows_per_prompt: int
    early_stopping: bool | Literal["never"] = False
    processors: LogitsProcessors = LogitsProcessors()

    def init_state(self, tokens: NDArray[Any]) -> BeamState:
        """Return the state before the first token, as arrays, for tokens (B, N, T)."""
        rows = tokens.shape[:2]
        score = np.zeros(rows, "float32")
        score[:, 1:] = -np.inf  # all beams of a prompt start equal: only one may continue
        return BeamState(
            tokens=tokens,
            last_token=np.zeros(rows, "int32"),
            score=score,
            error_code=np.zeros(rows, "int32"),
            is_done=np.zeros(rows[0], bool),
            finished_tokens=np.full_like(tokens, -1),
            finished_score=np.full(rows, -np.inf, "float32"),
            is_finished=np.zeros(rows, bool),
        )

    def grow_state(self, state: BeamState, extra: int) -> BeamState:
        """Add columns for further tokens."""
        return state._replace(
            tokens=pad_axis(state.tokens, -1, extra, -1),
            finished_tokens=pad_axis(state.finished_tokens, -1, extra, -1),
        )

    def select_tokens(
        self,
        state: BeamState,
        logits: Tensor,
        count: Tensor,
        params: SamplingParams,
        inputs: SamplerInputs,
    ) -> tuple[BeamState, Tensor]:
        """Select the best continuations of each prompt's beams.

        Args:
            state: the state before.
            logits: (R, V), float32.
            count: scalar int32, the number of tokens generated before.

        Returns:
            The new state, and parents (B, N): the beam that each new beam continues.
        """
        scores, parent, token = self._continuations(state, logits, count, params, inputs)
        column = params.prompt_columns + count
        tokens = write_column(batched_take(state.tokens, parent), column, token)
        stops = is_stop(token, params) | (count + 1 >= params.max_new_tokens)
        running, index = _top_k(ops.where(stops, -np.inf, scores), self.rows_per_prompt)
        stopped_scores = ops.where(stops, scores, -np.inf)
        pool = self._update_finished(state, tokens, stopped_scores, count, params)
        is_done = state.is_done | self._is_done(running, pool, count, params)
        identity = ops.arange(self.rows_per_prompt, dtype="int32")
        parents = ops.where(state.is_done[:, None], identity, batched_take(parent, index))
        is_nan = ops.reshape(ops.any(ops.isnan(logits), axis=-1), ops.shape(state.score))
        return BeamState(
            tokens=batched_take(tokens, index),
            last_token=batched_take(token, index),
            score=running,
            error_code=ops.where(is_nan & (state.score > -np.inf), 1 + count, 0),
            is_done=is_done,
            **pool,
        ), parents

    def _continuations(self, state, logits, count, params, inputs):
        """The best next tokens of all beams together: scores, parents and tokens (B, k)."""
        allowed_mask = None if inputs.allowed_mask is None else flatten_rows(inputs.allowed_mask)
        logs, tokens = ops.log_softmax(logits, axis=-1), flatten_rows(state.tokens)
        logs = self.processors.constrain(logs, tokens, count, params, allowed_mask)
        size = logits.shape[-1]
        score = ops.reshape(state.score, (-1, 1))
        total = ops.where(score > -np.inf, score + logs, -np.inf)
        total = ops.reshape(total, (ops.shape(state.score)[0], self.rows_per_prompt * size))
        # enough that N of them run on, even if each beam can also stop with every stop id
        k = max(2, 1 + params.stop_ids.shape[0]) * self.rows_per_prompt
        scores, index = _top_k(total, min(k, self.rows_per_prompt * size))
        return scores, index // size, index % size

    def _update_finished(self, state, tokens, scores, count, params):
        """The best finished sequences, ``tokens`` (B, k, T) with a score above -inf among them."""
        is_among_best = ops.arange(ops.shape(scores)[1]) < self.rows_per_prompt
        enters = (scores > -np.inf) & ops.logical_not(state.is_done)[:, None] & is_among_best
        length = ops.cast(count + 1, "float32")
        scores = scores / ops.power(length, params.length_penalty)  # length normalization
        scores = ops.where(enters, scores, -np.inf)
        scores = ops.concatenate([state.finished_score, scores], axis=1)
        best, index = _top_k(scores, self.rows_per_prompt)
        tokens = ops.concatenate([state.finished_tokens, tokens], axis=1)
        is_finished = ops.concatenate([state.is_finished, enters], axis=1)
        return {
            "finished_tokens": batched_take(tokens, index),
            "finished_score": best,
            "is_finished": batched_take(is_finished, index),
        }

    def _is_done(self, running, pool, count, params):
        """True for prompts (B,) whose best running beam can or will not enter the finished ones."""
        length, penalty = count + 1, params.length_penalty
        if self.early_stopping == "never":  # the longest may score best
            length = ops.where(penalty > 0, params.max_new_tokens, length)
        # length normalization of the best score that a running beam can reach
        attainable = running[:, 0] / ops.power(ops.cast(length, "float32"), penalty)
        is_full = ops.all(pool["is_finished"], axis=1)
        worst = ops.where(is_full, pool["finished_score"][:, -1], -np.inf)
        is_done = attainable <= worst
        return is_done | is_full if self.early_stopping is True else is_done

    def is_live(self, state: BeamState) -> NDArray[Any]:
        """True where a beam (B, N) gets further tokens, from a state of arrays."""
        return (state.score > -np.inf) & ~state.is_done[:, None]

    def results(self, state: BeamState, row: int, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return tokens and scores of at most ``count`` finished sequences of a prompt."""
        index = np.flatnonzero(state.is_finished[row])[:count]
        return state.finished_tokens[row, index], state.finished_score[row, index]
