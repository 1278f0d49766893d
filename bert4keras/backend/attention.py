"""Attention weights from attention scores: the softmax and its alternatives; plain attention."""

from collections.abc import Callable

import numpy as np
from keras import ops

from bert4keras.backend.dispatch import softmax
from bert4keras.backend.masking import sequence_masking
from bert4keras.backend.types import Tensor


def attention_normalize(
    a: Tensor,
    mask: Tensor | None = None,
    axis: int = -1,
    method: str = "softmax",
    bias: Tensor | None = None,
) -> Tensor:
    """Turn attention scores into weights, in float32.

    Args:
        a: scores, usually (B, H, Lq, Lk).
        mask: padding mask (B, Lk), true where visible.
        axis: the axis of the keys.
        method: "softmax"; "squared_relu", relu(a)^2 over the number of visible keys
            (https://kexue.fm/archives/8934); "softmax_plus", softmax of a log(n) / log(512) with n
            visible keys, at least 16 (https://kexue.fm/archives/8823); "linear", nothing.
        bias: as for ``sequence_masking``: a boolean one, such as the causal mask, joins the padding
            mask; any other is added to the scores.

    Returns:
        Weights like ``a``, float32. A row without a visible key is all zeros.
    """
    if method not in NORMALIZATIONS:
        raise ValueError(f"Expected normalization of {list(NORMALIZATIONS)}, got {method!r}.")
    a, visible = sequence_masking(ops.cast(a, "float32"), mask, -np.inf, axis, bias, True)
    count = ops.shape(a)[axis]
    if visible is not None and method in ("squared_relu", "softmax_plus"):
        count = ops.sum(ops.cast(visible, "float32"), axis=axis, keepdims=True)
    return NORMALIZATIONS[method](a, ops.cast(count, "float32"), axis)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    visible: Tensor | None = None,
    dropout: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Compute softmax(q k^T) v, with few passes over the weights: most of its time on a CPU.

    Args:
        q: scaled queries (B, Lq, H, d).
        k: keys (B, Lk, H, d).
        v: values (B, Lk, H, e).
        visible: mask that broadcasts to (B, H, Lq, Lk), true where a query sees a key.
        dropout: function that is applied to the weights.

    Returns:
        (B, Lq, H, e); zeros for a query that sees no key. The softmax is computed in float32.
    """
    q, k, v = (ops.transpose(x, (0, 2, 1, 3)) for x in (q, k, v))
    scores = ops.cast(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))), "float32")
    sees_key = None
    if visible is not None:  # the masks are small next to the scores, which one addition hides
        sees_key = ops.any(visible, axis=-1, keepdims=True)
        is_hidden = ops.logical_and(ops.logical_not(visible), sees_key)
        scores = scores + ops.where(is_hidden, ops.cast(-np.inf, "float32"), 0.0)
    weights = ops.cast(softmax(scores), v.dtype)
    o = ops.matmul(weights if dropout is None else dropout(weights), v)
    o = o if sees_key is None else o * ops.cast(sees_key, o.dtype)
    return ops.transpose(o, (0, 2, 1, 3))


def _softmax(a, count, axis):
    peak = ops.max(ops.stop_gradient(a), axis=axis, keepdims=True, initial=-np.inf)
    no_visible_key = ops.equal(peak, -np.inf)  # such a query gets zeros, not NaN
    weights = ops.exp(a - ops.where(no_visible_key, 0.0, peak))
    total = ops.sum(weights, axis=axis, keepdims=True)
    return weights / ops.where(no_visible_key, 1.0, total)


def _softmax_plus(a, count, axis):
    return _softmax(a * (ops.log(ops.maximum(count, 16.0)) / np.log(512.0)), count, axis)


def _squared_relu(a, count, axis):
    return ops.square(ops.relu(a)) / ops.maximum(count, 1.0)


NORMALIZATIONS = {
    "softmax": _softmax,
    "squared_relu": _squared_relu,
    "softmax_plus": _softmax_plus,
    "linear": lambda a, count, axis: a,
}
