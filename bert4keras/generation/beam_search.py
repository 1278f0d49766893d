"""Beam search: the N best rows of a prompt go on, finished ones are kept aside.

Beside what ``rows`` says, the state has the pool of finished sequences, best first: ``pool``
(B, N, T), ``pool_score`` (B, N), and ``pool_real`` (B, N), false where a place is still free.
"""

from dataclasses import dataclass

import numpy as np
from keras import ops

from bert4keras.generation.rows import begin_state, flat, is_stop, written
from bert4keras.generation.samplers import Shaping


def pick(x, index):
    """Entries (B, k, ...) of ``x`` (B, n, ...) at ``index`` (B, k)."""
    rows, choices = ops.shape(x)[0], ops.shape(x)[1]
    first = ops.arange(rows, dtype="int32")[:, None] * choices
    found = ops.take(flat(x), ops.reshape(first + index, (-1,)), axis=0)
    return ops.reshape(found, (rows, ops.shape(index)[1], *ops.shape(x)[2:]))


def best(scores, k):
    """The k highest of scores (B, n), best first, and where they are."""
    values, index = ops.top_k(scores, k)
    return values, ops.cast(index, "int32")


@dataclass(frozen=True)
class Beams:
    """Follow the most probable sequences; the score is log probability / length ** penalty.

    A sequence that ends is kept when it is among the ``width`` best continuations of its prompt.

    Args:
        width: N, beams a prompt.
        early_stopping: see ``Options``.
        shaping: the processors; they see log probabilities.
    """

    width: int
    early_stopping: bool | str = False
    shaping: Shaping = Shaping()

    def begin(self, tokens):
        rows = tokens.shape[:2]
        state = begin_state(tokens)
        state["score"][:, 1:] = -np.inf  # the beams of a prompt are still one
        return state | {
            "pool": np.full_like(tokens, -1),
            "pool_score": np.full(rows, -np.inf, "float32"),
            "pool_real": np.zeros(rows, bool),
        }

    def choose(self, state, logits, count, numbers, given):
        """The state after token number ``count``, and the parents (B, N): which beam each goes on.

        The arguments are those of ``Rows.choose``.
        """
        scores, parent, token = self._continuations(state, logits, count, numbers, given)
        column = numbers["offset"] + count
        tokens = written(pick(state["tokens"], parent), column, token)
        stopped = is_stop(token, numbers) | (count + 1 >= numbers["max_new_tokens"])
        running, chosen = best(ops.where(stopped, -np.inf, scores), self.width)
        pool = self._pool(state, tokens, ops.where(stopped, scores, -np.inf), count, numbers)
        done = state["done"] | self._settled(running, pool, count, numbers)
        unmoved = ops.arange(self.width, dtype="int32")
        parents = ops.where(state["done"][:, None], unmoved, pick(parent, chosen))
        invalid = ops.reshape(ops.any(ops.isnan(logits), axis=-1), ops.shape(state["score"]))
        return state | pool | {
            "tokens": pick(tokens, chosen),
            "last": pick(token, chosen),
            "score": running,
            "done": done,
            "fault": ops.where(invalid & (state["score"] > -np.inf), 1 + count, 0),
        }, parents

    def _continuations(self, state, logits, count, numbers, given):
        """The best next tokens of all beams together: scores, parents and tokens (B, k)."""
        allowed = flat(given["allowed"]) if "allowed" in given else None
        logs, tokens = ops.log_softmax(logits, axis=-1), flat(state["tokens"])
        logs = self.shaping.constrain(logs, tokens, count, numbers, allowed)
        size = logits.shape[-1]
        so_far = ops.reshape(state["score"], (-1, 1))
        total = ops.where(so_far > -np.inf, so_far + logs, -np.inf)
        total = ops.reshape(total, (ops.shape(state["score"])[0], self.width * size))
        # so many that N of them go on, even if each beam may also stop in every way
        k = max(2, 1 + numbers["stops"].shape[0]) * self.width
        scores, index = best(total, min(k, self.width * size))
        return scores, index // size, index % size

    def _pool(self, state, tokens, scores, count, numbers):
        """The pool with those of ``tokens`` (B, k, T) that stopped with a score above -inf."""
        among_best = ops.arange(ops.shape(scores)[1]) < self.width
        entering = (scores > -np.inf) & ops.logical_not(state["done"])[:, None] & among_best
        length = ops.cast(count + 1, "float32")
        scores = scores / ops.power(length, numbers["length_penalty"])
        scores = ops.where(entering, scores, -np.inf)
        scores = ops.concatenate([state["pool_score"], scores], axis=1)
        kept, index = best(scores, self.width)
        return {
            "pool": pick(ops.concatenate([state["pool"], tokens], axis=1), index),
            "pool_score": kept,
            "pool_real": pick(ops.concatenate([state["pool_real"], entering], axis=1), index),
        }

    def _settled(self, running, pool, count, numbers):
        """Whether each prompt has its sequences (B,), as the best running beam promises no more."""
        length, penalty = count + 1, numbers["length_penalty"]
        if self.early_stopping == "never":  # the longest may score best
            length = ops.where(penalty > 0, numbers["max_new_tokens"], length)
        promise = running[:, 0] / ops.power(ops.cast(length, "float32"), penalty)
        full = ops.all(pool["pool_real"], axis=1)
        settled = promise <= ops.where(full, pool["pool_score"][:, -1], -np.inf)
        return settled | full if self.early_stopping is True else settled

    def results(self, state, row, number):
        """At most ``number`` finished sequences of a prompt, and their scores, from a state of
        arrays."""
        real = np.flatnonzero(state["pool_real"][row])[:number]
        return state["pool"][row, real], state["pool_score"][row, real]
