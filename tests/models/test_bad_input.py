"""Each mistake gets a message that says what, the rule, what came, and the remedy."""

import json
import shutil

import keras
import numpy as np
import pytest
from keras import ops
from support import GOLDEN

from bert4keras.checkpoints import CheckpointError
from bert4keras.models import BERT, build_transformer_model
from bert4keras.tokenizers import Tokenizer, load_vocab

BASE = GOLDEN / "models" / "bert"
CONFIG, CHECKPOINT = BASE / "config.json", BASE / "bert_model.ckpt"
SETTINGS = json.loads(CONFIG.read_text())


def test_an_unknown_model_lists_those_known():
    with pytest.raises(ValueError, match="model must be one of bert, roberta, .*; got 'brt'"):
        build_transformer_model(CONFIG, model="brt")


def test_an_unknown_application_lists_those_known():
    with pytest.raises(ValueError, match="application must be one of encoder, lm, unilm; got 'seq"):
        build_transformer_model(CONFIG, application="seq2seq")


def test_a_misspelt_argument_names_the_nearest():
    with pytest.raises(TypeError, match="no argument 'with_pol'. Did you mean 'with_pool'?"):
        build_transformer_model(CONFIG, with_pol=True)
    with pytest.raises(TypeError, match="Did you mean 'dropout_rate'?"):
        build_transformer_model(CONFIG, hidden_dropout_prob=0.2)
    with pytest.raises(TypeError, match="no argument 'zzz'. It takes: .*vocab_size"):
        build_transformer_model(CONFIG, zzz=True)


def test_a_config_without_a_needed_key_names_it():
    lacking = {key: SETTINGS[key] for key in SETTINGS if key not in ("hidden_size", "vocab_size")}
    with pytest.raises(ValueError, match="lacks vocab_size, hidden_size. Take the config.json"):
        build_transformer_model(lacking)


def test_inputs_of_two_lengths_are_named_with_what_to_pass():
    model = build_transformer_model(SETTINGS)
    with pytest.raises(ValueError, match="the lengths 4 and 5. Give each text as many segment ids"):
        model([np.ones((1, 4)), np.ones((1, 5))])


def test_a_config_at_odds_with_itself_is_refused():
    with pytest.raises(ValueError, match="multiple of num_attention_heads, got 32 and 5"):
        build_transformer_model({**SETTINGS, "num_attention_heads": 5})


def test_a_missing_or_broken_config_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No configuration at .*nowhere.json"):
        build_transformer_model(tmp_path / "nowhere.json")
    with pytest.raises(
        FileNotFoundError, match="No configuration in the folder .* or pass its path"
    ):
        build_transformer_model(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json is not JSON: .* Correct it"):
        build_transformer_model(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ValueError, match="must hold a JSON object of settings, got a list"):
        build_transformer_model(tmp_path)


def test_a_config_at_odds_with_the_checkpoint_reports_every_fault():
    with pytest.raises(ValueError) as caught:
        build_transformer_model({**SETTINGS, "vocab_size": 121, "num_hidden_layers": 4}, CHECKPOINT)
    report = str(caught.value)
    assert report.startswith("Checkpoint does not fit the model (17 of 69 weights):")
    assert "word_embeddings` has shape (120, 32), expected (121, 32)" in report
    assert "Transformer-3-FeedForward: no variable `bert/encoder/layer_3/int" in report
    assert "ignore_invalid_weights=True to leave these as initialised." in report
    assert report.endswith(f"The file is {CHECKPOINT}.")


def test_a_checkpoint_that_does_not_fit_leaves_the_model_untouched():
    bert = build_transformer_model(CONFIG, return_keras_model=False)
    before = [ops.convert_to_numpy(w) for w in bert.model.weights]
    tensors = {name: np.zeros(3) for names in bert.variable_mapping().values() for name in names}
    with pytest.raises(ValueError, match="does not fit"):
        bert.load_weights_from_checkpoint(tensors)
    for weight, want in zip(bert.model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), want)


@pytest.mark.parametrize("family", ["electra", "albert", "gpt", "roformer_v2"])
def test_a_checkpoint_of_another_family_is_told_by_its_name(family):
    with pytest.raises(ValueError, match=f"looks like one of model='{family}'"):
        build_transformer_model(CONFIG, GOLDEN / "models" / family / "bert_model.ckpt")


def test_ignored_weights_are_warned_of():
    with pytest.warns(UserWarning, match=r"word_embeddings` has shape (?s:.*)left as init"):
        build_transformer_model(CONFIG, CHECKPOINT, vocab_size=130, ignore_invalid_weights=True)


def test_a_missing_checkpoint_says_what_can_be_passed(tmp_path):
    with pytest.raises(CheckpointError, match="No checkpoint at .*Pass a TensorFlow prefix"):
        build_transformer_model(CONFIG, tmp_path / "bert_model.ckpt")


def test_a_truncated_checkpoint_is_refused(tmp_path):
    for file in BASE.glob("bert_model.ckpt*"):
        shutil.copy(file, tmp_path)
    data = tmp_path / "bert_model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="ownload it again|incomplete|damaged"):
        build_transformer_model(CONFIG, tmp_path / "bert_model.ckpt")


@pytest.mark.parametrize("bad", [120, 500, -1])
def test_an_id_outside_the_vocabulary_is_named(bad):
    model = build_transformer_model(CONFIG)
    ids = np.array([[1, 2, bad]])
    message = rf"Expected ids from 0 to 119 in Embedding-Token(?s:.*){bad}"
    with pytest.raises(Exception, match=message):
        model.predict([ids, ids * 0], verbose=0)
        keras.ops.convert_to_numpy(model([ids, ids * 0]))


def test_a_text_longer_than_the_position_table_is_refused():
    model = build_transformer_model(CONFIG)
    ids = np.ones((1, 49), "int32")
    with pytest.raises(Exception, match=r"at most 48 positions, the text is longer(?s:.*)48"):
        model.predict([ids, ids * 0], verbose=0)


def test_a_unilm_without_segments_is_refused():
    with pytest.raises(ValueError, match="tells source from target by segment ids"):
        build_transformer_model(CONFIG, application="unilm", segment_vocab_size=0)


def test_caches_and_a_causal_mask_do_not_go_together():
    pair = [keras.Input((None, 32)) for _ in range(2)]
    with pytest.raises(ValueError, match="attention_caches cannot be used with a causal"):
        build_transformer_model(
            CONFIG,
            application="lm",
            attention_caches={"Transformer-0-MultiHeadSelfAttention": pair},
            additional_input_layers=pair,
        )


@pytest.mark.parametrize("prefix", ["G/", "G."])
def test_a_slash_or_a_dot_in_a_prefix_becomes_a_dash(prefix):
    with pytest.warns(UserWarning, match=f"cannot hold '/' or '.': prefix '{prefix}' is used wit"):
        model = build_transformer_model(CONFIG, prefix=prefix)
    assert model.get_layer("G-Embedding-Token")


def test_a_batch_of_length_zero_gives_an_output_of_length_zero():
    model = build_transformer_model(CONFIG)
    ids = np.zeros((0, 5), "int32")
    assert tuple(model([ids, ids]).shape) == (0, 5, 32)


def test_an_empty_text_is_two_tokens():
    tokenizer = Tokenizer({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3})
    ids, segments = (np.array([row]) for row in tokenizer.encode(""))
    assert ids.tolist() == [[2, 3]]
    assert build_transformer_model(CONFIG).predict([ids, segments], verbose=0).shape == (1, 2, 32)


def test_a_vocabulary_needs_its_special_tokens_once(tmp_path):
    with pytest.raises(ValueError, match=r"\[UNK\]"):
        Tokenizer({"a": 0, "b": 1})
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\na\n")
    with pytest.warns(UserWarning, match="got 'a' in rows 5 and 6"):
        assert load_vocab(path)["a"] == 5  # as Google's reader has it


def test_a_hook_of_a_subclass_is_used():
    class Doubled(BERT):
        def __init__(self, factor=2, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def load_variable(self, checkpoint, name):
            return super().load_variable(checkpoint, name) * self.factor

    plain = build_transformer_model(CONFIG, CHECKPOINT)
    double = build_transformer_model(CONFIG, CHECKPOINT, model=Doubled, factor=3)
    for a, b in zip(plain.weights, double.weights, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a) * 3, ops.convert_to_numpy(b), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "int99", "bool"])
def test_weights_are_written_in_floating_types_alone(dtype, tmp_path):
    config = {
        "vocab_size": 7,
        "hidden_size": 4,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 4,
        "hidden_act": "gelu",
    }
    model = build_transformer_model(config, return_keras_model=False)
    with pytest.raises(ValueError, match=f"Expected dtype to be one of 'float64'.*got '{dtype}'"):
        model.save_weights_as_checkpoint(tmp_path / "x.safetensors", dtype=dtype)
    assert not list(tmp_path.iterdir())
