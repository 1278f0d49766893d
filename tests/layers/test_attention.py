"""Multi-head attention: grouped queries, masks, position biases and errors."""

import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.layers import CausalMask, MultiHeadAttention
from bert4keras.layers.position_bias import POSITION_BIASES

X = np.random.default_rng(3).normal(size=(2, 5, 6)).astype("float32")
ANGLES = np.random.default_rng(4).uniform(-1, 1, size=(1, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], "bool")


def attend(layer, visible=MASK):
    return layer([X, X, X, ANGLES], mask=[visible] * 3, p_bias="rotary")


def grouped_layer(**options):
    """Return a layer of 4 heads over 2 of keys and values, with random weights."""
    layer = MultiHeadAttention(4, head_size=4, key_value_heads=2, **options)
    layer.build([X.shape] * 3)
    numbers = np.random.default_rng(5)
    layer.set_weights([numbers.normal(size=w.shape) for w in layer.weights])
    return layer


def repeat_heads(weight):
    """Return a weight of 2 heads as one of 4, each head twice."""
    heads = ops.convert_to_numpy(weight).reshape(*weight.shape[:-1], 2, 4)
    return np.repeat(heads, 2, axis=-2).reshape(*weight.shape[:-1], 16)


class TestGroupedQueries:
    def test_grouped_heads_give_the_numbers_of_copies(self):
        groups, full = grouped_layer(), MultiHeadAttention(4, head_size=4)
        full.build([X.shape] * 3)
        full.set_weights(
            [repeat_heads(w) if 2 <= i < 6 else w for i, w in enumerate(groups.weights)]
        )
        assert_close(attend(groups), ops.convert_to_numpy(attend(full)))

    def test_scores_have_every_head_of_queries(self):
        output, scores = attend(grouped_layer(return_attention_scores=True))
        assert tuple(output.shape) == (2, 5, 16) and tuple(scores.shape) == (2, 4, 5, 5)

    def test_padding_never_affects_results(self):
        layer = grouped_layer()
        batch = ops.convert_to_numpy(attend(layer))[1, :2]
        x = X[1:, :2]
        row = layer([x, x, x, ANGLES[:, :2]], p_bias="rotary")
        assert_close(row[0], batch)

    def test_a_query_without_visible_key_gets_zeros(self):
        layer = grouped_layer(use_bias=False)
        assert_close(attend(layer, MASK & False), np.zeros((2, 5, 16)))

    def test_output_bias_can_be_turned_off(self):
        with_it, without = grouped_layer(), grouped_layer(output_bias=False)
        assert len(with_it.weights) == 8 and len(without.weights) == 7
        assert with_it.get_weights()[-1].shape == (16,) and without.get_weights()[-1].shape == (
            16,
            16,
        )

    def test_config_makes_an_equal_layer(self):
        layer = grouped_layer(output_bias=False)
        copy = MultiHeadAttention.from_config(layer.get_config())
        copy.build([X.shape] * 3)
        copy.set_weights(layer.get_weights())
        assert_close(attend(copy), ops.convert_to_numpy(attend(layer)))

    def test_heads_that_are_no_multiple_are_refused(self):
        with pytest.raises(ValueError, match="multiple of key_value_heads, .*, got 4 and 3"):
            MultiHeadAttention(4, head_size=4, key_value_heads=3)


def test_padding_mask_and_causal_mask_both_hide_keys():
    layer = MultiHeadAttention(2, head_size=3, normalization="softmax")
    output = layer([X, X, X, CausalMask()(X[..., 0])], mask=[MASK] * 3, a_bias=True)
    for i, j, k in ((0, 3, 4), (1, 4, 2)):  # rows 0 and 1: key k is hidden from query j
        changes = np.zeros_like(X)
        changes[i, k] = 1
        got = layer([X, X + changes, X + changes, CausalMask()(X[..., 0])], [MASK] * 3, a_bias=True)
        assert_close(got[i, : j + 1], ops.convert_to_numpy(output[i, : j + 1]))


@pytest.mark.parametrize("p_bias", ["typical_relative", "t5_relative"])
def test_a_decoding_step_reads_positions_as_a_whole_sequence_does(p_bias):
    bias = POSITION_BIASES[p_bias]
    random = np.random.default_rng(6)
    shapes = [(1, 1, 2, 4), (1, 2, 1, 3), (1, 3, 2 if p_bias == "t5_relative" else 4)]
    q, scores, position = (ops.convert_to_tensor(random.normal(size=x), "float32") for x in shapes)
    sequence = [
        bias.add_to_scores(scores, q, q, position),
        bias.add_to_output(q, scores, position),
    ]
    step = [
        bias.add_to_step_scores(scores, q, position),
        bias.add_to_step_output(q, scores, position),
    ]
    for got, want in zip(step, sequence, strict=True):
        assert_close(got, ops.convert_to_numpy(want))


@pytest.mark.parametrize("p_bias", ["rotary_value", "typical_relative"])
def test_position_biases_of_values_need_equal_sizes(p_bias):
    positions = ANGLES if p_bias == "rotary_value" else np.zeros((5, 5, 4), "float32")
    with pytest.raises(ValueError, match=f"key_size equal to head_size.*{p_bias}.*got 4 and 3"):
        MultiHeadAttention(2, head_size=3, key_size=4)([X, X, X, positions], p_bias=p_bias)


def test_an_unknown_position_bias_is_refused():
    with pytest.raises(ValueError, match="Expected p_bias .*'rotary_value'.*got 'rotation'"):
        MultiHeadAttention(2, head_size=3)([X, X, X, ANGLES], p_bias="rotation")


def test_rotary_positions_need_one_length():
    with pytest.raises(ValueError, match=r"queries and keys of one length.*got \[5, 2\]"):
        MultiHeadAttention(2, 4)([X, X[:, :2], X[:, :2], ANGLES], p_bias="rotary")


@pytest.mark.parametrize("p_bias", [None, "rotary", "rotary_value"])
def test_a_subclass_that_changes_a_part_gives_the_numbers_of_plain_attention(p_bias):
    class Scaled(MultiHeadAttention):
        def scale(self, scores):
            return super().scale(scores)

    classes = (MultiHeadAttention, Scaled)
    layer, general_layer = (x(2, head_size=4, attention_dropout=0.1) for x in classes)
    inputs = [X, X, X, CausalMask()(X)] + ([ANGLES] if p_bias else [])
    options = {"mask": [MASK] * 3, "a_bias": True, "p_bias": p_bias}
    layer(inputs, **options), general_layer(inputs, **options)
    general_layer.set_weights(layer.get_weights())
    want = ops.convert_to_numpy(general_layer(inputs, **options))
    assert_close(layer(inputs, **options), want)
