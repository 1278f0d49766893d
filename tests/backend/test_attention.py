"""Attention weights; their golden numbers are in test_golden.py."""

import numpy as np
from keras import ops
from support import assert_close

from bert4keras import backend
from bert4keras.backend.attention import attend


def test_attention_normalize_gives_zeros_without_visible_key():
    scores = ops.convert_to_tensor(np.ones((1, 1, 2, 3), "float32"))
    mask = np.zeros((1, 3), bool)
    for method in ("softmax", "softmax_plus", "squared_relu"):
        weights = ops.convert_to_numpy(backend.attention_normalize(scores, mask, method=method))
        assert not weights.any()


def test_plain_attention_is_that_of_the_weights():
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, n, 3, 4)).astype("float32") for n in (5, 6, 6))
    visible = rng.random((2, 1, 5, 6)) < 0.5
    visible[0, 0, 1] = False
    weights = backend.attention_normalize(
        np.einsum("bqhd,bkhd->bhqk", q, k), None, -1, bias=visible
    )
    want = np.einsum("bhqk,bkhd->bqhd", ops.convert_to_numpy(weights), v)
    got = ops.convert_to_numpy(attend(q, k, v, ops.convert_to_tensor(visible)))
    assert_close(got, want)
    assert not got[0, 1].any()
    assert_close(attend(q, k, v, dropout=ops.zeros_like), 0 * want)
