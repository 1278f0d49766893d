"""Convolution over padding."""

import numpy as np
from keras import ops
from support import assert_close

from bert4keras.layers import MaskedConv1D

X = np.random.default_rng(2).normal(size=(2, 6, 3)).astype("float32")


def test_masked_conv1d_reads_zeros_for_padding():
    layer = MaskedConv1D(4, 3)
    visible = np.arange(6)[None] < np.array([6, 3])[:, None]
    batch, row = layer(X, mask=visible), layer(X[1:, :3])
    assert_close(batch[1:, :3], ops.convert_to_numpy(row))
    assert np.abs(ops.convert_to_numpy(batch - layer(X))[1, 2]).max() > 0.01
    np.testing.assert_array_equal(layer.compute_mask(X, visible), visible)
