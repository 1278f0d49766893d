"""Losses of several labels at once."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("bert4keras")
def multilabel_categorical_crossentropy(y_true, y_pred):
    """Softmax cross-entropy widened to several labels (ZLPR, https://kexue.fm/archives/7359).

    The loss is log(1 + sum over negatives of e^s) + log(1 + sum over positives of e^-s); a class
    is predicted where its score is above 0.

    Args:
        y_true: (..., n), 0 or 1, or soft labels between.
        y_pred: (..., n) scores without activation; entries equal to -inf are left out.

    Returns:
        A float32 tensor (...).
    """
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    known = y_pred > -np.inf
    scores = ops.where(known, y_pred, 0.0)
    negative = ops.where(known, scores + ops.log(1.0 - y_true), -np.inf)
    positive = ops.where(known, -scores + ops.log(y_true), -np.inf)
    return _log_one_plus_sum(negative) + _log_one_plus_sum(positive)


def _log_one_plus_sum(exponents):
    zero = ops.zeros_like(exponents[..., :1])
    return ops.logsumexp(ops.concatenate([exponents, zero], axis=-1), axis=-1)


@keras.saving.register_keras_serializable("bert4keras")
def sparse_multilabel_categorical_crossentropy(y_true, y_pred, mask_zero=False):
    """``multilabel_categorical_crossentropy`` from the indices of the positives.

    With a = log(1 + sum of all e^s) and b = log(sum over positives of e^s) the term of the
    negatives is a + log(1 - e^(b - a)).

    Args:
        y_true: (..., number of positives) indices.
        y_pred: (..., n) scores without activation.
        mask_zero: index 0 is padding and not a class.

    Returns:
        A float32 tensor (...).
    """
    y_true, y_pred = ops.cast(y_true, "int32"), ops.cast(y_pred, "float32")
    zero = ops.zeros_like(y_pred[..., :1])
    rest = y_pred[..., 1:] if mask_zero else y_pred
    lead = [zero + np.inf] if mask_zero else []
    positive = ops.take_along_axis(ops.concatenate([*lead, rest], axis=-1), y_true, axis=-1)
    term = _log_one_plus_sum(-positive)
    lead = [zero - np.inf] if mask_zero else []
    everything = ops.concatenate([*lead, rest], axis=-1)
    positive = ops.take_along_axis(everything, y_true, axis=-1)
    a, b = _log_one_plus_sum(everything), ops.logsumexp(positive, axis=-1)
    share = ops.clip(1.0 - ops.exp(b - a), keras.config.epsilon(), 1.0)
    return term + a + ops.log(share)
