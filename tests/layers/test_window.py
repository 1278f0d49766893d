"""What looks no farther than a window."""

import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.layers import MaskedConv1D, WindowMask

X = np.random.default_rng(2).normal(size=(2, 6, 3)).astype("float32")


@pytest.mark.parametrize("reach", [0, 1, 2, 9])
def test_a_position_sees_as_far_as_it_reaches(reach):
    (got,) = ops.convert_to_numpy(WindowMask(reach)(X[..., 0]))
    want = [[abs(i - j) <= reach for j in range(6)] for i in range(6)]
    np.testing.assert_array_equal(got, want)


def test_a_convolution_does_not_see_padding():
    layer = MaskedConv1D(4, 3)
    visible = np.arange(6)[None] < np.array([6, 3])[:, None]
    together, alone = layer(X, mask=visible), layer(X[1:, :3])
    assert_close(together[1:, :3], ops.convert_to_numpy(alone))
    assert np.abs(ops.convert_to_numpy(together - layer(X))[1, 2]).max() > 0.01
    np.testing.assert_array_equal(layer.compute_mask(X, visible), visible)
