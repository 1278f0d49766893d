"""Multi-label losses: softmax cross-entropy for several positive classes at once."""

import keras
import numpy as np
from keras import ops

from bert4keras.backend.types import Tensor


@keras.saving.register_keras_serializable("bert4keras")
def multilabel_categorical_crossentropy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Multi-label cross-entropy, by a softmax over several labels (ZLPR, https://kexue.fm/archives/7359).

    The loss is log(1 + sum over negatives of e^s) + log(1 + sum over positives of e^-s); a class
    is predicted if its score is above 0.

    Args:
        y_true: (..., n), 0 or 1, or soft labels between.
        y_pred: (..., n) scores without activation; entries equal to -inf do not count.

    Returns:
        A float32 tensor (...): one loss for each set of classes. A ``sample_weight`` in ``fit``
        needs this shape.
    """
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    _check_shapes(y_true.shape, y_pred.shape)
    is_finite = y_pred > -np.inf
    scores = ops.where(is_finite, y_pred, 0.0)
    negative = ops.where(is_finite, scores + ops.log(1.0 - y_true), -np.inf)
    positive = ops.where(is_finite, -scores + ops.log(y_true), -np.inf)
    return _log_one_plus_sum(negative) + _log_one_plus_sum(positive)


def _check_shapes(y_true, y_pred):
    pairs = zip(y_true, y_pred)
    if len(y_true) != len(y_pred) or any(None not in pair and len(set(pair)) > 1 for pair in pairs):
        raise ValueError(
            f"Expected y_true and y_pred to have one shape, got {tuple(y_true)} and "
            f"{tuple(y_pred)}. Give one label for each score."
        )


def _log_one_plus_sum(exponents):
    zero = ops.zeros_like(exponents[..., :1])
    return ops.logsumexp(ops.concatenate([exponents, zero], axis=-1), axis=-1)


@keras.saving.register_keras_serializable("bert4keras")
def sparse_multilabel_categorical_crossentropy(
    y_true: Tensor, y_pred: Tensor, mask_zero: bool = False
) -> Tensor:
    """Compute ``multilabel_categorical_crossentropy`` from the indices of the positives.

    With a = log(1 + sum of all e^s) and b = log(sum over positives of e^s) the term of the
    negatives is a + log(1 - e^(b - a)).

    Args:
        y_true: (..., number of positives) indices.
        y_pred: (..., n) scores without activation.
        mask_zero: True if index 0 is padding and no class.

    Returns:
        A float32 tensor (...).
    """
    y_true, y_pred = ops.cast(y_true, "int32"), ops.cast(y_pred, "float32")
    _check_shapes(y_true.shape[:-1], y_pred.shape[:-1])
    zero = ops.zeros_like(y_pred[..., :1])
    scores = y_pred[..., 1:] if mask_zero else y_pred
    padding = [zero + np.inf] if mask_zero else []  # e^-inf: padding adds nothing here
    positive = ops.take_along_axis(ops.concatenate([*padding, scores], axis=-1), y_true, axis=-1)
    term = _log_one_plus_sum(-positive)
    padding = [zero - np.inf] if mask_zero else []  # and nothing here
    scores = ops.concatenate([*padding, scores], axis=-1)
    positive = ops.take_along_axis(scores, y_true, axis=-1)
    a, b = _log_one_plus_sum(scores), ops.logsumexp(positive, axis=-1)
    share = ops.clip(1.0 - ops.exp(b - a), keras.config.epsilon(), 1.0)
    return term + a + ops.log(share)
