"""Attention masks: the sliding window, and a bias from several masks."""

import numpy as np
import pytest
from keras import ops

from bert4keras.layers import AttentionBias, CausalMask, WindowMask

X = np.zeros((2, 6, 3), "float32")


@pytest.mark.parametrize("reach", [0, 1, 2, 9])
def test_window_mask_shows_a_position_its_neighbours(reach):
    (got,) = ops.convert_to_numpy(WindowMask(reach)(X[..., 0]))
    want = [[abs(i - j) <= reach for j in range(6)] for i in range(6)]
    np.testing.assert_array_equal(got, want)


def test_attention_bias_hides_what_any_mask_hides():
    scores = np.ones((2, 4, 6, 6), "float32")
    got = AttentionBias()([CausalMask()(X[..., 0]), WindowMask(1)(X[..., 0]), scores])
    distances = np.arange(6)[:, None] - np.arange(6)
    want = np.where((distances >= 0) & (distances <= 1), 1.0, -np.inf)
    np.testing.assert_array_equal(ops.convert_to_numpy(got), np.broadcast_to(want, got.shape))
