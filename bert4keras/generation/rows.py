"""Greedy decoding and sampling: every row goes its own way.

A choice (``Rows`` or ``Beams``) keeps a state, a dict of tensors that begin with the axes B of
prompts and, mostly, N of rows a prompt: ``tokens`` (B, N, T), -1 where nothing is, ``last`` (B, N)
the newest token, ``score`` (B, N), ``done`` (B,), ``fault`` (B, N), which is 0, or 1 + the step at
which logits were NaN, or minus that where no token was possible.
"""

from dataclasses import dataclass

import numpy as np
from keras import ops

from bert4keras.generation.samplers import Shaping, draw


def begin_state(tokens):
    """What every choice keeps, as arrays, for tokens (B, N, T)."""
    rows = tokens.shape[:2]
    return {
        "tokens": tokens,
        "last": np.zeros(rows, "int32"),
        "score": np.zeros(rows, "float32"),
        "done": np.zeros(rows[0], bool),
        "fault": np.zeros(rows, "int32"),
    }


def written(tokens, column, token):
    """Tokens (B, N, T) with ``token`` (B, N) in a column."""
    here = ops.equal(ops.arange(ops.shape(tokens)[2], dtype="int32"), column)
    return ops.where(here, ops.expand_dims(token, -1), tokens)


def is_stop(token, numbers):
    """Whether tokens (B, N) are stop ids."""
    return ops.any(ops.equal(ops.expand_dims(token, -1), numbers["stops"]), axis=-1)


def flat(x):
    """(B, N, ...) as (R, ...)."""
    shape = ops.shape(x)
    return ops.reshape(x, (shape[0] * shape[1], *shape[2:]))


@dataclass(frozen=True)
class Rows:
    """Take the most probable token of each row, or draw one.

    Args:
        width: N, rows a prompt.
        sample: draw.
        shaping: the processors.
    """

    width: int = 1
    sample: bool = False
    shaping: Shaping = Shaping()

    def begin(self, tokens):
        return begin_state(tokens) | {"ended": np.zeros(tokens.shape[:2], bool)}

    def choose(self, state, logits, count, numbers, given):
        """The state after token number ``count``, and no parents, as no row takes another's place.

        Args:
            state: the state before.
            logits: (R, V), float32.
            count: scalar int32, how many tokens there are.
            numbers: see ``Options.numbers``.
            given: ``allowed`` (B, N, V) bools and ``noise`` (B, N, T) from 0 to 1, where needed.
        """
        allowed = flat(given["allowed"]) if "allowed" in given else None
        shaped = self.shaping.constrain(logits, flat(state["tokens"]), count, numbers, allowed)
        token = ops.reshape(self._token(shaped, count, numbers, given), ops.shape(state["last"]))
        live = ops.logical_not(state["ended"])
        gain = ops.take_along_axis(ops.log_softmax(logits), flat(token)[:, None], axis=-1)
        gain = ops.reshape(gain, ops.shape(token))
        ended = state["ended"] | is_stop(token, numbers)
        column = numbers["offset"] + count
        return state | {
            "tokens": written(state["tokens"], column, ops.where(live, token, -1)),
            "last": ops.where(live, token, state["last"]),
            "score": state["score"] + ops.where(live, gain, 0.0),
            "ended": ended,
            "done": ops.all(ended, axis=1),
            "fault": ops.where(live, _fault(logits, shaped, count, ops.shape(token)), 0),
        }, None

    def _token(self, shaped, count, numbers, given):
        if not self.sample:
            return ops.cast(ops.argmax(shaped, axis=-1), "int32")
        uniform = flat(ops.take(given["noise"], count, axis=2)[..., None])[:, 0]
        return draw(self.shaping.truncate(shaped, numbers), uniform)

    def results(self, state, row, number):
        """The first ``number`` rows of tokens of a prompt, and their scores, from a state of
        arrays."""
        return state["tokens"][row, :number], state["score"][row, :number]


def _fault(logits, shaped, count, shape):
    stuck = ops.where(ops.max(shaped, axis=-1) > -np.inf, 0, -1 - count)
    fault = ops.where(ops.any(ops.isnan(logits), axis=-1), 1 + count, stuck)
    return ops.reshape(fault, shape)
