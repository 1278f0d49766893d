"""LLaMA, Mistral and Qwen2: differences from GPT."""

import numpy as np
import pytest
from support import GOLDEN, assert_close, load_record

from bert4keras.models import build_transformer_model
from bert4keras.models.rope_scaling import rotary_frequencies

FOLDER = GOLDEN / "hf" / "llama"
IDS = np.array([[5, 9, 7, 3]])
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 100,
}


def build(folder=FOLDER, **options):
    """Scores by a golden folder."""
    return build_transformer_model(folder, final_activation="linear", **options)


def build_with(folder="llama", **settings):
    """Build by the config of a golden folder with other settings; None leaves one out."""
    config = {**load_record(f"hf/{folder}/config.json"), **settings}
    config = {key: value for key, value in config.items() if value is not None}
    return build_transformer_model(config, return_keras_model=False)


def angles(transformer):
    return transformer.layers["Embedding-Rotary-Position"].frequencies


def test_linear_scaling_slows_all_turns():
    plain = np.array(rotary_frequencies(8, 500.0))
    assert_close(plain, [1, 500**-0.25, 500**-0.5, 500**-0.75], 1e-7)
    assert_close(np.array(rotary_frequencies(8, 500.0, {"type": "linear", "factor": 4})), plain / 4)


def test_llama3_scaling_slows_slow_turns_and_leaves_fast_ones():
    plain = np.array(rotary_frequencies(8, 10000.0))
    frequencies = np.array(rotary_frequencies(8, 10000.0, LLAMA3))
    assert_close(frequencies[0], plain[0])  # 15.9 turns in 100 positions
    weight = (100 * 0.1 / (2 * np.pi) - 1) / 3  # 1.59 turns, between 1 and 4
    assert_close(frequencies[1], plain[1] * (weight + (1 - weight) / 8))
    assert_close(frequencies[2:], plain[2:] / 8)  # fewer than 1


@pytest.mark.parametrize("scaling", [{"rope_type": "linear", "factor": 2.0}, LLAMA3])
def test_older_and_newer_configurations_mean_the_same(scaling):
    newer = build_with(rope_parameters={**scaling, "rope_theta": 300.0})
    older = build_with(rope_parameters=None, rope_theta=300.0, rope_scaling=scaling)
    assert angles(newer) == angles(older) == rotary_frequencies(8, 300.0, scaling)


def test_a_base_without_scaling_is_read_from_either():
    newer = build_with(rope_parameters={"rope_type": "default", "rope_theta": 300.0})
    older = build_with(rope_parameters=None, rope_theta=300.0)
    assert angles(newer) == angles(older) == rotary_frequencies(8, 300.0)


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_a_scaling_that_is_not_computed_is_refused_by_name(key):
    with pytest.raises(ValueError, match="one of default, linear, llama3, .* says 'yarn': another"):
        build_with(**{key: {"rope_type": "yarn", "factor": 2.0}})
    with pytest.raises(ValueError, match="partial_rotary_factor must be 1: .* says 0.5"):
        build_with(**{key: {"rope_type": "default", "partial_rotary_factor": 0.5}})
    with pytest.raises(ValueError, match="can compute partial_rotary_factor=1.0 alone"):
        build_with(partial_rotary_factor=0.5)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"rope_scaling": "linear"}, "rope_scaling to be a dict"),
        ({"rope_scaling": {"type": "linear", "factor": "2"}}, "factor of rope_scaling to be a fin"),
        (
            {"rope_scaling": {"type": "linear", "factor": -1}},
            "factor of rope_scaling to be .* a",
        ),
        (
            {"rope_scaling": {**LLAMA3, "low_freq_factor": 4.0}},
            "low_freq_factor .* to be below h",
        ),
        ({"rope_parameters": {"rope_theta": "1e4"}}, "rope_theta to be a finite number"),
        ({"rope_parameters": None, "rope_theta": 0}, "rope_theta to be a finite number above 0"),
        ({"layer_types": "full_attention"}, "layer_types to be a list"),
        ({"num_key_value_heads": 0}, "num_key_value_heads to be a whole number"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_rope_settings_have_types_and_ranges(settings, message):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        build_with(**settings)


@pytest.mark.parametrize("kinds", [["full_attention"], ["chunked_attention"] * 2])
def test_each_block_has_a_known_kind_of_attention(kinds):
    with pytest.raises(ValueError, match="layer_types must name one of full_attention, sliding"):
        build_with("qwen2", layer_types=kinds)


def test_an_unknown_rope_setting_is_warned_of():
    with pytest.warns(UserWarning, match="LLaMA does not know .*: mrope_section of rope_scaling"):
        build_with(rope_scaling={"rope_type": "default", "mrope_section": [1, 2]})


def test_a_scaling_that_lacks_a_setting_names_it():
    with pytest.raises(ValueError, match="rope_type='llama3' lacks factor, low_freq_factor, high"):
        rotary_frequencies(8, scaling={"rope_type": "llama3"})


def test_a_head_of_an_odd_size_is_refused():
    with pytest.raises(ValueError, match="a head's size must be even, got 7"):
        build(attention_head_size=7)


@pytest.mark.parametrize(
    "folder, settings",
    [
        ("qwen2", {"use_sliding_window": True, "layer_types": None, "sliding_window": 16}),
        ("qwen2", {"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 16}),
        ("llama", {"model_type": "mistral", "sliding_window": 16}),
        ("llama", {"model_type": "mistral", "max_position_embeddings": 5000}),  # 4096 if not said
    ],
)
def test_a_sliding_window_in_use_is_refused_by_name(folder, settings):
    with pytest.raises(
        ValueError, match="can compute sliding_window=None alone, .* says (16|4096)"
    ):
        build_with(folder, **settings)


@pytest.mark.parametrize(
    "folder, settings",
    [
        ("qwen2", {"layer_types": None, "sliding_window": 16}),  # switched off
        ("llama", {"model_type": "mistral", "sliding_window": 64}),  # as long as any text
    ],
)
def test_a_sliding_window_that_nothing_leaves_is_none(folder, settings):
    assert build_with(folder, **settings).model


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple of key_value_heads, .*, got 4 and 3"):
        build(key_value_heads=3)


@pytest.mark.parametrize("family", ["mistral", "qwen2"])
def test_biases_are_the_family_s_own(family):
    with pytest.raises(ValueError, match="has no projection_bias, got True"):
        build(FOLDER / "config.json", model=family, projection_bias=True)


def test_heads_of_bert_segments_and_unilm_are_refused():
    with pytest.raises(ValueError, match="LLaMA has no with_mlm, got True"):
        build(with_mlm=True)
    with pytest.raises(ValueError, match="LLaMA has no segment_vocab_size, got 2"):
        build(segment_vocab_size=2)
    with pytest.raises(ValueError, match="cannot be used as application='unilm'"):
        build(application="unilm")


def test_kept_tokens_are_kept_in_a_head_of_its_own():
    ids = [3, 9, 5, 7, 11]
    selected_scores = build(keep_tokens=ids).predict(np.array([[2, 1, 3, 0]]), verbose=0)
    assert_close(selected_scores, build().predict(IDS, verbose=0)[..., ids])


def test_distances_alone_count():
    model = build(custom_position_ids=True)
    near, shift, stretch = (
        model.predict([IDS, np.array([positions])], verbose=0)
        for positions in ([0, 1, 2, 3], [5, 6, 7, 8], [0, 2, 4, 6])
    )
    assert_close(near, build().predict(IDS, verbose=0))
    assert_close(shift, near, 1e-4)
    assert np.abs(stretch - near).max() > 1e-2
