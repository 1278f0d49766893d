"""Heads of queries that share heads of keys and values."""

import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.layers import MultiHeadAttention

X = np.random.default_rng(3).normal(size=(2, 5, 6)).astype("float32")
ANGLES = np.random.default_rng(4).uniform(-1, 1, size=(1, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], "bool")


def attend(layer, visible=MASK):
    return layer([X, X, X, ANGLES], mask=[visible] * 3, p_bias="rotary")


def grouped(**options):
    """A layer of 4 heads over 2 of keys and values, no weight of it zero."""
    layer = MultiHeadAttention(4, head_size=4, key_value_heads=2, **options)
    layer.build([X.shape] * 3)
    numbers = np.random.default_rng(5)
    layer.set_weights([numbers.normal(size=w.shape) for w in layer.weights])
    return layer


def copied(weight):
    """A weight of 2 heads as one of 4, each head twice."""
    heads = ops.convert_to_numpy(weight).reshape(*weight.shape[:-1], 2, 4)
    return np.repeat(heads, 2, axis=-2).reshape(*weight.shape[:-1], 16)


def test_shared_heads_give_what_copies_of_them_give():
    shared, full = grouped(), MultiHeadAttention(4, head_size=4)
    full.build([X.shape] * 3)
    full.set_weights([copied(w) if 2 <= i < 6 else w for i, w in enumerate(shared.weights)])
    assert_close(attend(shared), ops.convert_to_numpy(attend(full)))


def test_scores_are_those_of_every_head():
    output, scores = attend(grouped(return_attention_scores=True))
    assert tuple(output.shape) == (2, 5, 16) and tuple(scores.shape) == (2, 4, 5, 5)


def test_padding_changes_nothing():
    layer = grouped()
    together = ops.convert_to_numpy(attend(layer))[1, :2]
    x = X[1:, :2]
    alone = layer([x, x, x, ANGLES[:, :2]], p_bias="rotary")
    assert_close(alone[0], together)


def test_who_sees_no_key_gets_zeros():
    layer = grouped(use_bias=False)
    assert_close(attend(layer, MASK & False), np.zeros((2, 5, 16)))


def test_the_last_bias_can_be_left_out():
    with_it, without = grouped(), grouped(output_bias=False)
    assert len(with_it.weights) == 8 and len(without.weights) == 7
    assert with_it.get_weights()[-1].shape == (16,) and without.get_weights()[-1].shape == (16, 16)


def test_its_config_makes_an_equal_layer():
    layer = grouped(output_bias=False)
    again = MultiHeadAttention.from_config(layer.get_config())
    again.build([X.shape] * 3)
    again.set_weights(layer.get_weights())
    assert_close(attend(again), ops.convert_to_numpy(attend(layer)))


def test_heads_that_cannot_be_shared_evenly_are_refused():
    with pytest.raises(ValueError, match="multiple of key_value_heads, .*, got 4 and 3"):
        MultiHeadAttention(4, head_size=4, key_value_heads=3)
