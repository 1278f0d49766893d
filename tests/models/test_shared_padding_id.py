"""A padding id that is also an end of texts hides only what stands at the end of a row."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close, compute_outputs, randomize_weights

from bert4keras.backend import get_mask
from bert4keras.generation import AutoRegressiveDecoder, TextGenerator
from bert4keras.models import build_transformer_model

END = 2
CONFIG = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "max_position_embeddings": 40,
}
CAUSAL = {
    "gpt": {"model": "gpt", "segment_vocab_size": 0},
    "gpt2": {"model": "gpt2"},
    "llama": {"model": "llama"},
    "mistral": {"model": "mistral"},
    "qwen2": {"model": "qwen2"},
    "bert": {"application": "lm", "segment_vocab_size": 0},
    "gau_alpha": {"application": "lm", "model": "gau_alpha", "segment_vocab_size": 0},
}
TEXT = [[5, END, 6, END, END, 7, END]]


def build(pad_token_id, **options):
    options = {"eos_token_id": END, "pad_token_id": pad_token_id, **options}
    return randomize_weights(build_transformer_model(CONFIG, **options))


def predict(model, ids):
    return compute_outputs(model, [ops.convert_to_tensor(np.array(ids))])[0]


class TestCausalModels:
    @pytest.mark.parametrize("family", CAUSAL)
    def test_an_end_inside_or_behind_a_text_is_a_token(self, family):
        model, without_padding = build(END, **CAUSAL[family]), build(None, **CAUSAL[family])
        assert_close(predict(model, TEXT), predict(without_padding, TEXT))

    @pytest.mark.parametrize(
        "family",
        [
            pytest.param(family, marks=() if family == "gpt2" else pytest.mark.slow)
            for family in CAUSAL
        ],
    )
    def test_decoding_from_the_cache_sees_all_ends(self, eager_tensorflow, family):
        model, without_padding = build(END, **CAUSAL[family]), build(None, **CAUSAL[family])
        prompts = [[5, END, 6, END], [END], [END, 7, 8, END, END, 9, 4]]
        write, write_without_padding = TextGenerator(model), TextGenerator(without_padding)
        for options in ({}, {"num_beams": 3}):
            options |= {"max_new_tokens": 8, "eos_token_id": 1}  # so that END is generated too
            want = write_without_padding.generate(prompts, **options)
            outputs = write.generate(prompts, **options)
            assert outputs.tokens == want.tokens
            single_tokens = [write.generate([x], **options).tokens[0] for x in prompts]
            assert outputs.tokens == single_tokens

    @pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
    def test_a_decoder_gets_the_scores_of_the_whole_pass(self, eager_tensorflow, family):
        model, differences = build(END, **CAUSAL[family]), []

        class Decoder(AutoRegressiveDecoder):
            @AutoRegressiveDecoder.wraps()
            def predict(self, inputs, output_ids, states):
                ids = np.concatenate([inputs[0], output_ids], axis=1)
                got = self.last_token(model).predict(ids)
                differences.append(abs(got - predict(model, ids)[:, -1]).max())
                return got

        Decoder(END, 1, maxlen=6).beam_search([np.array(TEXT[0])], topk=3)
        assert len(differences) > 1 and max(differences) < 1e-5

    def test_padding_changes_no_token_of_the_text(self):
        model = build(END, model="llama")
        batch = [TEXT[0] + [END] * 4, [5, 6, 7] + [END] * 8]
        got = predict(model, batch)
        assert_close(got[:1, :7], predict(model, TEXT))
        assert_close(got[1:, :3], predict(model, [[5, 6, 7]]))

    def test_the_loss_leaves_out_the_run_at_the_end(self):
        model = build(END, model="gpt2")
        ids = np.array([[5, END, 6, 7, END, END], [5, 6, 7, 8, 9, 4]])
        model.compile(loss="sparse_categorical_crossentropy")
        loss = model.evaluate(ids, ids, verbose=0)
        logs = -np.log(np.take_along_axis(predict(model, ids), ids[..., None], axis=-1))[..., 0]
        is_text = np.array([[1, 1, 1, 1, 0, 0], [1] * 6])
        assert_close(loss, (logs * is_text).sum() / is_text.sum())


class TestOtherModels:
    @pytest.mark.parametrize(
        "options",
        [
            {"segment_vocab_size": 0},
            {"segment_vocab_size": 0, "model": "roformer"},
            {"model": "modernbert"},
        ],
    )
    def test_an_encoder_hides_the_run_at_the_end_alone(self, options):
        model, without_padding = build(END, **options), build(None, **options)
        want = predict(without_padding, [[5, END, 6, 7]])
        assert_close(predict(model, [[5, END, 6, 7, END, END]])[:, :4], want)

    def test_a_unilm_sees_the_ends_of_its_sources(self, eager_tensorflow):
        without_padding = build(None, application="unilm")
        sources, targets = [[5, END, 6, END], [7, END]], []
        for source in sources:
            ids = list(source)
            while len(ids) < len(source) + 6:
                segments = (np.arange(len(ids)) >= len(source)).astype(int)
                inputs = [ops.convert_to_tensor(np.array([x])) for x in (ids, segments)]
                ids.append(int(compute_outputs(without_padding, inputs)[0][0, -1].argmax()))
            targets.append([ids[len(source) :]])
        for model in (build(END, application="unilm"), without_padding):
            assert TextGenerator(model).generate(sources, max_new_tokens=6).tokens == targets

    def test_an_encoder_decoder_sees_the_ends_of_its_sources(self, eager_tensorflow):
        options = {"model": "t5.1.1", "return_keras_model": False}
        without_padding = build(None, **options)
        sources, targets = [[5, END, 6, 8, END], [7, END]], []
        for source in sources:
            ids = [0]
            while len(ids) < 8 and ids[-1] != 1:
                inputs = [ops.convert_to_tensor(np.array([x])) for x in (source, ids)]
                ids.append(int(compute_outputs(without_padding.model, inputs)[0][0, -1].argmax()))
            targets.append([ids[1:]])
        for model in (build(END, **options), without_padding):
            outputs = TextGenerator(model).generate(sources, max_new_tokens=7, eos_token_id=1)
            assert outputs.tokens == targets


class TestPaddingSide:
    @pytest.mark.parametrize(
        "eos_token_id, pad_token_id, side",
        [(2, 2, "right"), ([1, 2], 2, "right"), (1, 2, None), (None, 0, None), (2, None, None)],
    )
    def test_an_id_that_is_no_end_is_padding_everywhere_as_ever(
        self, eos_token_id, pad_token_id, side
    ):
        model = build_transformer_model(
            CONFIG, eos_token_id=eos_token_id, pad_token_id=pad_token_id, return_keras_model=False
        )
        assert model.padding_side == side
        config = model.layers["Embedding-Token"].get_config()
        assert config.get("padding_side") == side
        assert ("padding_side" in config) == (side is not None)

    def test_padding_of_a_decoder_of_transformers_stands_at_the_end(self):
        config = {**CONFIG, "model_type": "llama", "pad_token_id": 0, "eos_token_id": 2}
        model = build_transformer_model(config, return_keras_model=False)
        assert model.padding_side == "right" and not model.pad_is_special
        mask = get_mask(model.model(ops.convert_to_tensor([[5, 0, 6, 0, 0]])))
        assert ops.convert_to_numpy(mask).tolist() == [[True, True, True, False, False]]

    def test_folders_and_files_keep_it(self, tmp_path):
        model = build(END, model="gpt2", return_keras_model=False, final_activation="linear")
        model.save_pretrained(tmp_path / "folder")
        model.model.save(tmp_path / "model.keras")
        folder_model = build_transformer_model(tmp_path / "folder", final_activation="linear")
        for copy in (folder_model, keras.models.load_model(tmp_path / "model.keras")):
            assert_close(predict(copy, TEXT), predict(model.model, TEXT))


class TestPaddedPrompts:
    """Prompts as ids may bring their padding, unless it may be text."""

    @pytest.mark.parametrize(
        "options",
        [
            {"application": "lm", "segment_vocab_size": 0},
            {"application": "unilm"},
            {"model": "llama"},
            {"model": "t5.1.1", "return_keras_model": False},
        ],
    )
    def test_padding_on_either_side_is_left_out(self, eager_tensorflow, options):
        write = TextGenerator(build(0, **options))
        options = {"max_new_tokens": 5, "eos_token_id": END}
        (want,) = write.generate([[5, 6, 7]], **options).tokens
        prompts = np.array([[0, 0, 5, 6, 7], [5, 6, 7, 0, 0], [0, 5, 6, 7, 0]])
        assert write.generate(prompts, **options).tokens == [want] * 3
        with pytest.raises(ValueError, match="a prompt must have at least one token"):
            write.generate([[0, 0]], **options)
