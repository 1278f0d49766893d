"""T5: encoder and decoder with one vocabulary, heads of two kinds, names of three versions."""

import json
import shutil

import numpy as np
import pytest
from keras import ops
from support import GOLDEN, assert_close, load_arrays, load_record, randomize_weights

from bert4keras.models import T5_Encoder, build_transformer_model

CONFIG = {
    "vocab_size": 30,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "relu",
}
SOURCE = np.array([[7, 5, 9, 1], [8, 1, 0, 0]])
TARGET = np.array([[0, 4, 6], [0, 9, 2]])


def build(model="t5", checkpoint=None, **options):
    options = {"with_lm": "linear", "return_keras_model": False, **options}
    return build_transformer_model(CONFIG, checkpoint, model=model, **options)


def build_stirred(model="t5", **options):
    """A model with weights far from symmetric."""
    return randomize_weights(build(model, **options))


def array(x):
    return ops.convert_to_numpy(x)


def test_a_decoder_given_an_encoders_output_hides_its_padding():
    t5 = build_stirred()
    want = array(t5.model([SOURCE, TARGET]))
    assert_close(t5.decoder([t5.encoder(SOURCE), ops.convert_to_tensor(TARGET)]), want)
    row = t5.decoder([array(t5.encoder(SOURCE[1:, :2])), TARGET[1:]])
    assert_close(want[1:], array(row))


def test_a_decoder_takes_the_mask_of_its_context_as_an_input():
    t5 = build_stirred(context_mask=True)
    assert [x.name for x in t5.decoder.inputs][2:] == ["Input-Context-Mask"]
    context = array(t5.encoder(SOURCE))
    got = t5.decoder([context, TARGET, SOURCE != 0])
    assert_close(got, array(t5.model([SOURCE, TARGET])))
    output_without_padding = t5.decoder([context, TARGET, np.ones_like(SOURCE)])
    assert np.abs(array(output_without_padding) - array(got))[1].max() > 1e-3


def test_a_target_cannot_see_the_future_and_sees_the_whole_source():
    t5 = build_stirred()
    before = array(t5.model([SOURCE, TARGET]))
    target, source = TARGET.copy(), SOURCE.copy()
    target[0, 2], source[0, 3] = 7, 3
    new_target, new_source = array(t5.model([SOURCE, target])), array(t5.model([source, TARGET]))
    assert_close(new_target[0, :2], before[0, :2])
    assert np.abs(new_target[0, 2] - before[0, 2]).max() > 1e-3
    assert (np.abs(new_source - before)[0].max(axis=-1) > 1e-3).all()


def test_residual_scores_stay_with_their_kind_of_attention():
    t5 = build_stirred(residual_attention_scores=True)
    batch = array(t5.model([SOURCE, TARGET]))
    assert_close(batch[1:], array(t5.model([SOURCE[1:, :2], TARGET[1:]])))
    assert np.abs(batch - array(build_stirred().model([SOURCE, TARGET]))).max() > 1e-3


def test_maps_between_widths_are_written_and_may_be_lacking(tmp_path):
    t5 = build_stirred(embedding_size=4)
    t5.save_weights_as_checkpoint(tmp_path / "all.h5")
    copy = build("t5", tmp_path / "all.h5", embedding_size=4)
    assert_close(copy.model([SOURCE, TARGET]), array(t5.model([SOURCE, TARGET])))
    table = {k: v for k, v in t5.variable_mapping().items() if not k.endswith("-Mapping")}
    t5.save_weights_as_checkpoint(tmp_path / "less.h5", mapping=table)
    partial_model = build("t5", tmp_path / "less.h5", embedding_size=4)
    assert len(np.unique(array(partial_model.layers["Decoder-Output-Mapping"].kernel))) > 4  # drawn


def test_mt5_has_other_names_in_a_checkpoint():
    names = {name for row in build("mt5.1.1").variable_mapping().values() for name in row}
    assert {"encoder/rms_norm/scale", "decoder/block_001/layer_002/rms_norm/scale"} <= names
    assert not any("layer_norm" in name for name in names)


def test_a_head_of_its_own_is_found_though_the_config_calls_it_tied(tmp_path):
    """As transformers 5 writes T5.1.1 and mT5."""
    for name, settings in (("t5_v1_1", {"scale_decoder_outputs": False}), ("mt5", {})):
        folder, numbers = tmp_path / name, load_arrays(f"hf/{name}/golden.npz")
        shutil.copytree(GOLDEN / "hf" / name, folder)
        config = {**load_record(f"hf/{name}/config.json"), "tie_word_embeddings": True, **settings}
        (folder / "config.json").write_text(json.dumps(config))
        model = build_transformer_model(folder, with_lm="linear")
        got = model([numbers["a.in.input_ids"], numbers["a.in.decoder_input_ids"]])
        assert_close(got, numbers["a.out.logits"], 1e-4)


def test_a_tied_head_without_a_scale_is_written_and_read_again(tmp_path):
    """As transformers 5 writes a T5.1.1 whose head it ties."""
    folder = GOLDEN / "hf" / "t5_v1_0"
    options = {"with_lm": "linear", "scale_decoder_outputs": False, "return_keras_model": False}
    model = build_transformer_model(folder, **options)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["scale_decoder_outputs"] is False and config["tie_word_embeddings"] is True
    copy = build_transformer_model(tmp_path, with_lm="linear")
    ids = [np.array([[5, 6, 7]]), np.array([[0, 8]])]
    assert_close(copy(ids), array(model.model(ids)), 1e-6)
    scaled_model = build_transformer_model(folder, with_lm="linear")
    assert abs(array(scaled_model(ids)) - array(copy(ids))).max() > 1e-3


def test_an_encoder_in_a_folder_is_opened_as_one(tmp_path):
    build("t5.1.1_encoder", with_lm=None).save_pretrained(tmp_path)
    copy = build_transformer_model(tmp_path, return_keras_model=False)
    assert isinstance(copy, T5_Encoder)


@pytest.mark.parametrize("model, application", [("t5", "lm"), ("t5_decoder", "unilm")])
def test_it_is_neither_a_language_model_nor_a_unilm(model, application):
    with pytest.raises(ValueError, match=f"cannot be used as application='{application}'"):
        build(model, application=application)


def test_a_head_it_does_not_have_is_refused():
    with pytest.raises(ValueError, match="T5 has no with_mlm, got True. It can be .*: with_lm"):
        build(with_mlm=True)
    with pytest.raises(ValueError, match="T5_Encoder has no with_lm"):
        build("t5_encoder")


def test_its_relatives_are_refused_by_name():
    with pytest.raises(ValueError, match="the architecture 'umt5', which is not known here"):
        build_transformer_model({**CONFIG, "model_type": "umt5"})
    with pytest.raises(ValueError, match="model_type t5 or mt5, got 'umt5', which is another"):
        build_transformer_model({**CONFIG, "model_type": "umt5"}, model="t5")


def test_a_checkpoint_that_does_not_fit_is_not_taken_for_that_of_a_half():
    with pytest.raises(ValueError, match=r"`decoder/logits/kernel` has") as caught:
        build_transformer_model(GOLDEN / "hf" / "mt5", vocab_size=98)
    assert "looks like" not in str(caught.value)


def test_an_unknown_version_is_refused():
    with pytest.raises(ValueError, match="version must be one of t5.1.0, .*; got 't5.2'"):
        build(version="t5.2")
