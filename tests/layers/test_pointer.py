"""Pointers: masks, order of start and end, relative positions, errors."""

import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.layers import EfficientGlobalPointer, GlobalPointer

X = np.random.default_rng(3).normal(size=(2, 6, 8)).astype("float32")
MASK = np.arange(6)[None] < np.array([[6], [4]])
POINTERS = pytest.mark.parametrize("pointer", [GlobalPointer, EfficientGlobalPointer])


@POINTERS
def test_padding_never_affects_scores(pointer):
    layer = pointer(3, 4)
    scores = ops.convert_to_numpy(layer(X, mask=MASK))
    row = ops.convert_to_numpy(layer(X[1:, :4]))
    assert_close(scores[1:, :, :4, :4], row)
    assert (scores[1, :, 4:] == -np.inf).all() and (scores[1, :, :, 4:] == -np.inf).all()


@POINTERS
def test_no_span_ends_before_it_starts(pointer):
    scores = ops.convert_to_numpy(pointer(3, 4)(X))
    starts, ends = np.indices((6, 6))
    np.testing.assert_array_equal(np.isfinite(scores), np.isfinite(scores) & (starts <= ends))
    assert np.isfinite(scores[:, :, starts <= ends]).all()
    assert np.isfinite(ops.convert_to_numpy(pointer(3, 4, tril_mask=False)(X))).all()


@POINTERS
def test_rotary_positions_tell_distances_apart(pointer):
    x = np.repeat(X[:, :1], 6, axis=1)
    for rotary, differ in ((True, True), (False, False)):
        scores = ops.convert_to_numpy(pointer(3, 4, RoPE=rotary, tril_mask=False)(x))
        assert_close(scores[..., 1:, 1:], scores[..., :-1, :-1])  # only the distance counts
        assert (np.abs(scores[..., 0, 1] - scores[..., 0, 2]).max() > 1e-3) == differ


def test_the_efficient_pointer_grows_slowly_with_the_types():
    sizes = []
    for pointer in (GlobalPointer, EfficientGlobalPointer):
        two_types, three_types = pointer(2, 64), pointer(3, 64)
        for layer in (two_types, three_types):
            layer.build((None, None, 768))
        sizes.append(three_types.count_params() - two_types.count_params())
    assert sizes == [2 * 64 * 769, 2 * (2 * 64 + 1)]


@POINTERS
def test_an_odd_head_size_cannot_be_rotated(pointer):
    with pytest.raises(ValueError, match=r"even head_size, .*, got 5.*RoPE=False"):
        pointer(3, 5)
    assert pointer(3, 5, RoPE=False)(X).shape == (2, 3, 6, 6)
