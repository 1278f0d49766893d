"""Attention weights; their golden numbers are in test_golden.py."""

import numpy as np
from keras import ops

from bert4keras import backend


def test_attention_normalize_gives_zeros_without_visible_key():
    scores = ops.convert_to_tensor(np.ones((1, 1, 2, 3), "float32"))
    mask = np.zeros((1, 3), bool)
    for method in ("softmax", "softmax_plus", "squared_relu"):
        weights = ops.convert_to_numpy(backend.attention_normalize(scores, mask, method=method))
        assert not weights.any()
