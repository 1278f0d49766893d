"""Rates by depth."""

import keras
import pytest

from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, extend_with_parameter_wise_lr, layer_wise_decay

CONFIG = {
    "vocab_size": 20,
    "hidden_size": 4,
    "num_hidden_layers": 11,
    "num_attention_heads": 2,
    "intermediate_size": 4,
    "hidden_act": "relu",
}


def rates_of(model, decay):
    """What each variable's rate of 1 becomes, by path."""
    schedule = layer_wise_decay(model, decay)
    optimizer = extend_with_parameter_wise_lr(Adam)(1.0, paramwise_lr_schedule=schedule)
    optimizer.build(model.trainable_variables)
    return {v.path: optimizer.scale_learning_rate(v, 1.0) for v in model.trainable_variables}


def test_each_block_passes_a_share_of_its_rate_down():
    bert = build_transformer_model(CONFIG, with_pool=True)
    rates = rates_of(keras.Model(bert.input, keras.layers.Dense(2, name="head")(bert.output)), 0.5)
    assert rates["head/kernel"] == rates["Pooler-Dense/kernel"] == 1
    assert rates["Transformer-10-FeedForward/i0_dense/kernel"] == 0.5
    assert rates["Transformer-1-FeedForward-Norm/gamma"] == 0.5**10
    assert rates["Transformer-0-MultiHeadSelfAttention/q_dense/kernel"] == 0.5**11
    assert rates["Embedding-Token/embeddings"] == rates["Embedding-Norm/beta"] == 0.5**12


def test_encoder_and_decoder_count_their_own_blocks():
    config = {**CONFIG, "num_hidden_layers": 2}
    rates = rates_of(build_transformer_model(config, model="t5"), 0.5)
    found = {path: rate for path, rate in rates.items() if "FeedForward/o_dense/kernel" in path}
    halves = [0.25, 0.5]
    assert [rate for path, rate in sorted(found.items())] == halves + halves


def test_a_prefix_beside_none_counts_once():
    config = {**CONFIG, "num_hidden_layers": 1}
    first = build_transformer_model(config)
    second = build_transformer_model(config, prefix="other-")
    both = keras.Model(first.inputs + second.inputs, [first.output, second.output])
    assert {x for path, x in rates_of(both, 0.5).items() if "Transformer" in path} == {0.5}


@pytest.mark.parametrize("decay", [0, 1.5])
def test_a_decay_is_a_share(decay):
    model = build_transformer_model({**CONFIG, "num_hidden_layers": 1})
    with pytest.raises(ValueError, match=rf"at most 1, got {decay}. 0.9 or 0.8"):
        layer_wise_decay(model, decay)


def test_blocks_without_numbers_are_not_guessed_at():
    model = build_transformer_model({**CONFIG, "num_hidden_layers": 2}, model="albert")
    with pytest.raises(ValueError, match="a model with numbered blocks.*by hand"):
        layer_wise_decay(model)
