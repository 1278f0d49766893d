"""RoFormer and RoFormerV2: differences from BERT."""

import keras
import numpy as np
import pytest
from keras import ops
from support import GOLDEN, assert_close, load_arrays, load_record

from bert4keras import backend
from bert4keras.models import build_transformer_model

FIRST, SECOND = GOLDEN / "models" / "roformer", GOLDEN / "models" / "roformer_v2"
IDS = np.array([[2, 7, 9, 11, 3]])
SEGMENTS = np.zeros_like(IDS)


def build(base, config=None, **options):
    """A model with the weights of a golden checkpoint."""
    settings = {**load_record(base / "config.json"), **(config or {})}
    return build_transformer_model(settings, base / "bert_model.ckpt", model=base.name, **options)


def at(model, positions):
    positions = np.asarray([positions])
    return model.predict([IDS, SEGMENTS, positions], verbose=0)


def test_distances_alone_count():
    model = build(FIRST, custom_position_ids=True)
    near = at(model, [0, 1, 2, 3, 4])
    assert_close(at(model, [7, 8, 9, 10, 11]), near, 1e-4)
    assert np.abs(at(model, [0, 2, 4, 6, 8]) - near).max() > 1e-2


def test_fractions_are_positions():
    model = build(FIRST, custom_position_ids=True)
    halves = at(model, [0, 0.5, 1, 1.5, 2])
    assert np.abs(halves - at(model, [0, 0, 1, 1, 2])).max() > 1e-2


def test_values_are_turned_if_the_config_says_so():
    plain = build(FIRST).predict([IDS, SEGMENTS], verbose=0)
    rotary_values = build(FIRST, {"rotary_value": True}).predict([IDS, SEGMENTS], verbose=0)
    assert np.abs(rotary_values - plain).max() > 1e-2


def test_values_of_another_size_than_keys_cannot_be_turned():
    with pytest.raises(ValueError, match="attention_key_size must equal .*, got 4 and 8"):
        build(FIRST, attention_key_size=4, rotary_value=True)


def test_a_folder_in_half_precision_differs_by_its_rounded_positions_alone(monkeypatch):
    # transformers stores the sines as a weight, so bfloat16 rounds them; here they stay exact
    exact = backend.sinusoidal_embeddings

    def sines_in_bfloat16(*arguments):
        return ops.cast(ops.cast(exact(*arguments), "bfloat16"), "float32")

    monkeypatch.setattr(backend, "sinusoidal_embeddings", sines_in_bfloat16)
    inputs, want = (
        load_arrays("hf/roformer/golden.npz"),
        load_arrays("hf/roformer@float16/golden.npz"),
    )
    model = build_transformer_model(GOLDEN / "hf" / "roformer@float16")
    for batch in "ab":
        ids, segments = (inputs[f"{batch}.in.{x}"] for x in ("input_ids", "token_type_ids"))
        got, visible = model.predict([ids, segments], verbose=0), ids != 0
        assert_close(got[visible], want[f"{batch}.out.last_hidden_state"][visible], 1e-4)


@pytest.mark.parametrize("base", [FIRST, SECOND])
def test_keys_of_an_odd_size_are_refused(base):
    with pytest.raises(ValueError, match="attention_key_size must be even, got 7"):
        build(base, attention_key_size=7)


@pytest.mark.parametrize("base", [FIRST, SECOND])
def test_learnt_positions_are_refused(base):
    with pytest.raises(ValueError, match="has no hierarchical_position, got True"):
        build(base, hierarchical_position=True)


def test_each_version_refuses_the_config_of_the_other():
    with pytest.raises(ValueError, match="RoFormer can compute norm_type='layer_norm' alone"):
        build(FIRST, {"norm_type": "rms_norm"})
    with pytest.raises(ValueError, match="RoFormerV2 can compute use_bias=False alone"):
        build(SECOND, {"use_bias": True})


def test_the_second_version_ignores_a_pooler_with_a_warning():
    with pytest.warns(UserWarning, match="RoFormerV2 ignores with_pool=True: it has no such head"):
        model = build(SECOND, with_pool=True)
    assert model.output_shape == (None, None, 32)


def test_the_second_version_refuses_a_condition_of_its_norms():
    condition = keras.Input((3,))
    with pytest.raises(ValueError, match="has no layer_norm_cond, .* built with: with_mlm"):
        build(SECOND, layer_norm_cond=condition)


def test_a_map_that_the_checkpoint_lacks_is_named_and_drawn_at_random():
    with pytest.warns(UserWarning, match="does not fit the model: it has no weights of Output-Map"):
        model = build(SECOND, with_mlm=True)
    assert np.std(ops.convert_to_numpy(model.get_layer("Output-Mapping").kernel)) > 0.01


def test_a_checkpoint_without_tokens_heads_loads_in_silence():
    build(SECOND)  # warnings are errors


def test_first_weights_of_the_second_version_keep_the_size_of_vectors():
    config = {**load_record(SECOND / "config.json"), "hidden_size": 256, "num_hidden_layers": 4}
    model = build_transformer_model(config, model="roformer_v2", embedding_size=128)
    inner = model.get_layer("Transformer-0-FeedForward").o_dense.kernel  # 64 inputs
    tables = model.get_layer("Embedding-Token").embeddings  # vectors of size 128
    assert np.std(ops.convert_to_numpy(inner)) == pytest.approx(64**-0.5 / 2, rel=0.05)
    assert np.std(ops.convert_to_numpy(tables)) == pytest.approx(128**-0.5 / 2, rel=0.05)


def test_the_second_version_drops_before_it_normalizes():
    model = build(SECOND)
    norm_model = keras.Model(model.inputs, model.get_layer("Embedding-Norm").output)
    x = ops.convert_to_numpy(norm_model([IDS, SEGMENTS], training=True))
    assert_close(np.mean(x**2, axis=-1), np.ones(IDS.shape), 1e-3)
    assert (x == 0).any()
