"""The gated attention unit: masks, biases, its hook and its errors."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.layers import AttentionBias, GatedAttentionUnit, SinusoidalPositionEmbedding

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(2, 7, 8)).astype("float32")
Y = RANDOM.normal(size=(2, 5, 8)).astype("float32")
NORMALIZATIONS = ["squared_relu", "softmax", "softmax_plus"]


def visible(length, *lengths):
    return np.arange(length)[None] < np.array(lengths)[:, None]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_padding_never_affects_results(normalization):
    layer = GatedAttentionUnit(6, 4, normalization=normalization)
    rotary = SinusoidalPositionEmbedding(4, "zero")
    mask = [visible(7, 7, 3), None]
    batch = layer([X, rotary(X)], mask=mask, p_bias="rotary")
    row = layer([X[1:, :3], rotary(X[1:, :3])], p_bias="rotary")
    assert_close(batch[1:, :3], ops.convert_to_numpy(row))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_cross_attention_hides_keys_by_their_own_mask(normalization):
    layer = GatedAttentionUnit(6, 4, normalization=normalization, self_attention=False)
    keys = visible(5, 5, 2)
    batch = layer([X, Y, Y], mask=[visible(7, 7, 4), keys, keys])
    row = layer([X[1:], Y[1:, :2], Y[1:, :2]])
    assert_close(batch[1:], ops.convert_to_numpy(row))


def test_the_mask_of_the_query_passes():
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 8, mask_zero=True)(ids)
    y = keras.layers.Embedding(9, 8, mask_zero=True)(keras.Input((None,), dtype="int32"))
    for inputs in (x, [x, x, y]):
        single = not isinstance(inputs, list)
        out = GatedAttentionUnit(6, 4, self_attention=single)(inputs)
        assert out.shape == (None, None, 8)
        assert out._keras_mask is x._keras_mask


def test_a_query_that_sees_nothing_gets_the_last_bias_alone():
    for normalization in NORMALIZATIONS:
        layer = GatedAttentionUnit(6, 4, normalization=normalization)
        out = layer(X, mask=visible(7, 7, 0))
        assert_close(out[1], np.zeros((7, 8)))


def test_a_bias_with_one_head_is_taken():
    layer = GatedAttentionUnit(6, 4, normalization="softmax")
    causal = np.tril(np.ones((2, 7, 7), "bool"))
    floating = RANDOM.normal(size=(2, 7, 7)).astype("float32")
    bias = AttentionBias()([causal, floating])
    assert bias.shape == (2, 1, 7, 7)
    hidden = np.where(causal, floating, -np.inf).astype("float32")
    want = ops.convert_to_numpy(layer([X, hidden], a_bias=True))
    assert_close(layer([X, bias], a_bias=True), want)


def test_a_subclass_may_pay_attention_in_another_way():
    class Mean(GatedAttentionUnit):
        def pay_attention_to(self, inputs, mask=None, a_bias=None, p_bias=None):
            q, k, v = inputs
            assert [len(mask), p_bias] == [3, None]
            return ops.mean(v, axis=1, keepdims=True), None

    x = np.repeat(X[:, :1], 7, axis=1)
    out = Mean(6, 4)(x, mask=visible(7, 7, 3))
    assert_close(out[:, 1:], ops.convert_to_numpy(out[:, :1]).repeat(6, 1))
    assert np.abs(ops.convert_to_numpy(out)).max() > 0


def test_dropout_drops_only_in_training():
    layer = GatedAttentionUnit(6, 4, normalization="softmax", attention_dropout=0.5)
    calm = ops.convert_to_numpy(layer(X))
    assert_close(layer(X), calm)
    assert np.abs(ops.convert_to_numpy(layer(X, training=True)) - calm).max() > 1e-3


def test_other_position_biases_are_refused():
    with pytest.raises(ValueError, match=r"to be None or 'rotary', got 't5_relative'.*a_bias"):
        GatedAttentionUnit(6, 4)([X, X], p_bias="t5_relative")
