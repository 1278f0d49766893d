"""What changes logits (R, V) before a token is taken, and the drawing of a token.

Tokens (R, T) that a function looks back on hold -1 where there is none. A token that is out of the
question has the logit -inf.
"""

from dataclasses import dataclass

import numpy as np
from keras import ops


def present(tokens, size):
    """Which of ``size`` tokens occur in each row of (R, T): bools (R, size)."""
    rows = ops.shape(tokens)[0]
    first = ops.expand_dims(ops.arange(rows, dtype="int32") * (size + 1), 1)
    places = ops.reshape(first + ops.where(tokens < 0, size, tokens), (-1, 1))
    marks = ops.ones_like(places[:, 0])
    found = ops.scatter_update(ops.zeros((rows * (size + 1),), "int32"), places, marks)
    return ops.reshape(found, (rows, size + 1))[:, :size] > 0


def forbid(logits, which):
    """-inf where the bools ``which`` are true."""
    return ops.where(which, -np.inf, logits)


def penalize_repetition(logits, tokens, penalty):
    """Divide positive logits of earlier tokens by the penalty, multiply negative ones by it.

    Keskar et al., "CTRL", arXiv:1909.05858.
    """
    lowered = ops.where(logits < 0, logits * penalty, logits / penalty)
    return ops.where(present(tokens, logits.shape[-1]), lowered, logits)


def forbid_repeated_ngrams(logits, tokens, length, n):
    """Forbid tokens that would close a sequence of n tokens seen before (arXiv:1705.04304).

    Args:
        logits: (R, V).
        tokens: (R, T), filled up to column ``length``, the rest -1.
        length: scalar int32.
        n: at least 1.
    """
    columns = ops.shape(tokens)[1]
    padded = ops.pad(tokens, [[0, 0], [0, n - 1]], constant_values=-1)
    closing = padded[:, n - 1 : n - 1 + columns]
    repeated = closing >= 0
    for offset in range(n - 1):
        place = length - (n - 1) + offset
        newest = ops.take(tokens, ops.maximum(place, 0), axis=1)[:, None]
        same = ops.equal(padded[:, offset : offset + columns], newest)
        repeated = repeated & same & (newest >= 0) & (place >= 0)
    return forbid(logits, present(ops.where(repeated, closing, -1), logits.shape[-1]))


def keep_top_k(logits, k):
    """Keep the k largest logits, and those equal to the smallest of them (arXiv:1805.04833)."""
    smallest = ops.top_k(logits, min(k, logits.shape[-1]))[0][:, -1:]
    return forbid(logits, logits < smallest)


def keep_top_p(logits, p):
    """Keep the fewest tokens whose probabilities reach p together (arXiv:1904.09751).

    Tokens as probable as the last of them stay as well.
    """
    ordered = ops.flip(ops.sort(logits, axis=-1), axis=-1)
    weights = ops.softmax(ordered, axis=-1)
    needed = (ops.cumsum(weights, axis=-1) - weights < p) | (ordered >= ordered[:, :1])
    smallest = ops.min(ops.where(needed, ordered, np.inf), axis=-1, keepdims=True)
    return forbid(logits, logits < smallest)


def keep_min_p(logits, p):
    """Keep tokens at least p times as probable as the most probable (arXiv:2407.01082)."""
    return forbid(logits, logits < ops.max(logits, axis=-1, keepdims=True) + ops.log(p))


def keep_typical(logits, p):
    """Keep the tokens of most typical surprise that reach p together (arXiv:2202.00666)."""
    logs = ops.log_softmax(logits, axis=-1)
    weights = ops.exp(logs)
    entropy = -ops.sum(ops.where(weights > 0, weights * logs, 0.0), axis=-1, keepdims=True)
    strangeness = ops.abs(-logs - entropy)
    order = ops.argsort(strangeness, axis=-1)
    weights = ops.take_along_axis(weights, order, axis=-1)
    ordered = ops.take_along_axis(strangeness, order, axis=-1)
    needed = (ops.cumsum(weights, axis=-1) - weights < p) | (ordered <= ordered[:, :1])
    largest = ops.max(ops.where(needed, ordered, -np.inf), axis=-1, keepdims=True)
    return forbid(logits, strangeness > largest)


def draw(logits, uniform):
    """Draw a token of each row by its probability.

    Args:
        logits: (R, V).
        uniform: (R,), from 0 to below 1, where in the summed probabilities the token lies.

    Returns:
        (R,) int32; never a token with the logit -inf.
    """
    weights = ops.softmax(logits, axis=-1)
    sums = ops.cumsum(weights, axis=-1)
    passed = ops.cast(sums <= uniform[:, None] * sums[:, -1:], "int32")
    token = ops.minimum(ops.sum(passed, axis=-1), logits.shape[-1] - 1)
    weight = ops.take_along_axis(weights, token[:, None], axis=-1)[:, 0]
    likeliest = ops.cast(ops.argmax(weights, axis=-1), "int32")
    return ops.where(weight > 0, ops.cast(token, "int32"), likeliest)  # rounding may hit a gap


@dataclass(frozen=True)
class Shaping:
    """The processors in their order; what a program is compiled for, numbers come as tensors.

    Args:
        top_k: 0 keeps all.
        no_repeat_ngram_size: 0 lets sequences repeat.
        logits_processor: callable(tokens, length, logits) -> logits, or None.
    """

    top_k: int = 0
    no_repeat_ngram_size: int = 0
    logits_processor: object = None

    def constrain(self, logits, tokens, count, numbers, allowed=None):
        """Penalties and prohibitions, which hold for every search."""
        length = numbers["offset"] + count
        if "repetition_penalty" in numbers:
            logits = penalize_repetition(logits, tokens, numbers["repetition_penalty"])
        if self.no_repeat_ngram_size:
            logits = forbid_repeated_ngrams(logits, tokens, length, self.no_repeat_ngram_size)
        if "min_new_tokens" in numbers:
            stops = present(numbers["stops"][None], logits.shape[-1])
            logits = forbid(logits, stops & (count < numbers["min_new_tokens"]))
        if allowed is not None:
            logits = forbid(logits, ops.logical_not(allowed))
        if self.logits_processor is not None:
            logits = self.logits_processor(tokens, length, logits)
        return logits

    def truncate(self, logits, numbers):
        """Temperature and the narrowing of the distribution that is drawn from."""
        if "temperature" in numbers:
            logits = logits / numbers["temperature"]
        if self.top_k:
            logits = keep_top_k(logits, self.top_k)
        for name, keep in NARROWING.items():
            logits = keep(logits, numbers[name]) if name in numbers else logits
        return logits


NARROWING = {"top_p": keep_top_p, "min_p": keep_min_p, "typical_p": keep_typical}
