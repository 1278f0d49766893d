"""ModernBERT: its windows, older configurations, and what it refuses."""

import numpy as np
import pytest
from support import GOLDEN, assert_close, load_arrays, load_record

from bert4keras.models import build_transformer_model

FOLDER = GOLDEN / "hf" / "modernbert"
CONFIG = load_record("hf/modernbert/config.json")
FULL, SLIDING = "full_attention", "sliding_attention"
IDS = np.array([[1, 7, 9, 11, 5, 8, 21, 30, 4, 2]])


def test_an_older_configuration_means_the_same():
    numbers = load_arrays("hf/modernbert/golden.npz")
    newer = ("rope_parameters", "layer_types", "global_attn_every_n_layers")
    older = {key: value for key, value in CONFIG.items() if key not in newer} | {
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
    }
    model = build_transformer_model(older, FOLDER, with_mlm="linear")
    visible = numbers["b.in.attention_mask"].astype(bool)
    got = model.predict(numbers["b.in.input_ids"], verbose=0)
    assert_close(got[visible], numbers["b.out.logits"][visible], 1e-4)


def changed_by_the_last_token(layer_types):
    """Positions whose vectors move when the last token does."""
    model = build_transformer_model(
        CONFIG, num_hidden_layers=len(layer_types), layer_types=layer_types, local_attention=4
    )
    new_ids = IDS.copy()
    new_ids[0, -1] = 50
    difference = np.abs(model.predict(IDS, verbose=0) - model.predict(new_ids, verbose=0))[0].max(
        axis=-1
    )
    return (difference > 1e-6).nonzero()[0].tolist()


def test_a_window_reaches_half_its_width_on_either_side():
    assert changed_by_the_last_token([SLIDING]) == [7, 8, 9]
    assert changed_by_the_last_token([SLIDING, SLIDING]) == [5, 6, 7, 8, 9]
    assert changed_by_the_last_token([SLIDING, FULL]) == list(range(10))


def test_blocks_of_the_two_kinds_turn_at_their_own_pace():
    model = build_transformer_model(CONFIG)
    bases = {x.name: x.base for x in model.layers if "Rotary" in x.name}
    assert bases == {
        "Embedding-Rotary-Position": 160000.0,
        "Embedding-Rotary-Position-Local": 10000.0,
    }


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"norm_bias": True}, "norm_bias=False alone, .* says True"),
        ({"attention_bias": True}, "attention_bias=False alone"),
        ({"mlp_bias": True}, "mlp_bias=False alone"),
        ({"decoder_bias": False}, "decoder_bias=True alone"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling=None alone"),
        (
            {"rope_parameters": {FULL: {"rope_type": "yarn", "rope_theta": 1e4}}},
            "rope_type='default' .* says full_attention=.*yarn",
        ),
        ({"rope_parameters": {"rope_theta": 1e4}}, "rope_type='default' .* says rope_theta=10000"),
        ({"layer_types": [FULL]}, "for each of the 4 blocks, got .'full_attention'"),
        ({"layer_types": ["linear_attention"] * 4}, "layer_types must name one of full_attention"),
        (
            {"rope_parameters": {FULL: {"partial_rotary_factor": 0.5}}},
            "rope_type='default' of",
        ),
        ({"num_attention_heads": 32}, "even hidden_size . num_attention_heads, got 1"),
        ({"num_attention_heads": 5}, "multiple of num_attention_heads, got 32 and 5"),
    ],
)
def test_a_setting_that_cannot_be_computed_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        build_transformer_model({**CONFIG, **settings})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"with_pool": True}, "has no with_pool, got True. It can be built with: with_mlm"),
        ({"with_nsp": True}, "has no with_nsp"),
        ({"segment_vocab_size": 2}, "has no segment_vocab_size"),
        ({"application": "unilm"}, "cannot be used as application='unilm'. It can be: encoder"),
    ],
)
def test_what_it_does_not_have_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_transformer_model(CONFIG, **options)
