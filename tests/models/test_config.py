"""Configurations: each key is used, without effect, or refused; values have types and ranges."""

import json
import warnings

import numpy as np
import pytest
from keras import ops
from support import GOLDEN, assert_close, compute_outputs, load_record, randomize_weights

from bert4keras.models import FAMILIES, build_transformer_model
from bert4keras.models.build import family_of
from bert4keras.models.config import parameters, read_config
from bert4keras.models.config_keys import (
    KEYS_WITHOUT_EFFECT,
    REFUSED_VALUES,
    REQUIRED,
    argument_names,
    check_config,
)

RECORD = load_record("hf_configs.json")  # defaults of the configuration classes of transformers
COMMON = RECORD.pop("")
CLASSES = {model_type: {**COMMON, **keys} for model_type, keys in RECORD.items()}
OLDER_KEYS = {  # in folders that transformers 4 wrote, and in Google's
    "adapters": {},
    "cross_attention_hidden_size": None,
    "directionality": "bidi",
    "do_sample": False,
    "finetuning_task": None,
    "gradient_checkpointing": False,
    "is_encoder_decoder": False,
    "length_penalty": 1.0,
    "max_length": 20,
    "num_labels": 2,
    "output_past": True,
    "pooler_type": "first_token_transform",
    "prefix": None,
    "pruned_heads": {},
    "sep_token_id": None,
    "task_specific_params": None,
    "tie_encoder_decoder": False,
    "tokenizer_class": "BertTokenizer",
    "torch_dtype": "float16",
    "use_bfloat16": False,
}
NEEDED = {  # keys without a default in CLASSES that fits a model here
    "deberta-v2": {"relative_attention": True},
    "mistral": {"sliding_window": None},
    "mt5": {"tie_word_embeddings": False},  # versions of transformers have other defaults
}
NEEDED_KEYS = {key for keys in NEEDED.values() for key in keys}
SIZES = {
    "vocab_size": 13,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "hidden_act": "gelu",
    "max_position_embeddings": 16,
}
IDS = np.array([[5, 9, 7, 3]])


def read(config):
    """The family of a configuration, its arguments, and the keys that are unknown."""
    family, implied_settings = family_of(None, config)
    names = parameters(family, "__init__")
    config, unknown_keys = check_config(family, config, names)
    settings = {**family.parse_config(config), **implied_settings}
    return family, {name: settings[name] for name in names if name in settings}, unknown_keys


def attributes(config):
    """The settings that the unbuilt model of a configuration has in the end."""
    family, settings, _ = read(config)
    model = family(**settings)
    if settings.get("rope_scaling") == {"rope_type": "default"}:
        model.rope_scaling = None
    parts = [model, *(getattr(model, name, None) for name in ("_encoder", "_decoder"))]
    return [
        {name: getattr(part, name) for name in settings if hasattr(part, name)}
        | {"layer_norm_eps": part.layer_norm_eps or part.epsilon or 1e-12}
        for part in parts
        if part is not None
    ]


def older_keys(model_type):
    return {key: x for key, x in OLDER_KEYS.items() if key not in CLASSES[model_type]}


def config_of(model_type):
    return {**CLASSES[model_type], **NEEDED.get(model_type, {})}


FAMILY_CLASSES = sorted({*FAMILIES.values()}, key=lambda family: family.__name__)
every_class = pytest.mark.parametrize("model_type", CLASSES)


def build(config=SIZES, **options):
    return build_transformer_model(config, return_keras_model=False, **options)


class TestKeys:
    @every_class
    def test_no_key_of_transformers_is_unknown(self, model_type):
        assert read({**config_of(model_type), **older_keys(model_type)})[2] == []

    @every_class
    def test_a_key_that_is_absent_means_what_it_means_to_transformers(self, model_type):
        config = config_of(model_type)
        names = argument_names(read(config)[0].config_spec)
        want = attributes(config)
        for key in config:
            is_required = names.get(key, key) in REQUIRED or key in ("model_type", *NEEDED_KEYS)
            if not is_required:
                less = {name: value for name, value in config.items() if name != key}
                for got_part, want_part in zip(attributes(less), want, strict=True):
                    assert got_part == {name: want_part[name] for name in got_part}, key

    @pytest.mark.parametrize("family", FAMILY_CLASSES, ids=lambda x: x.__name__)
    def test_a_key_has_one_role(self, family):
        spec = family.config_spec
        used_keys = {*spec.keys.values(), *spec.used_keys, *spec.required_values}
        without_effect = {*spec.keys_without_effect, *KEYS_WITHOUT_EFFECT}
        assert not used_keys & {*KEYS_WITHOUT_EFFECT}
        assert not used_keys & {*spec.keys_without_effect} - {"scale_decoder_outputs"}
        assert not without_effect & {*REFUSED_VALUES}
        names = parameters(family, "__init__")
        assert not without_effect & {*names} - {"scale_decoder_outputs"}
        assert all(spec.keys_without_effect.values())

    def test_an_unknown_key_with_a_value_is_warned_of_by_name(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({**SIZES, "key_a": 1, "key_b": None}))
        with pytest.warns(UserWarning, match="BERT does not know .*config.json, .*: key_a. If"):
            build(tmp_path / "config.json")

    def test_a_name_that_transformers_does_not_read_is_ignored(self):
        config = {**load_record("hf/gpt2/config.json"), "intermediate_size": 7}
        with pytest.warns(UserWarning, match="GPT2 does not know .*: intermediate_size"):
            model = build(config)
        assert model.intermediate_size == 4 * model.hidden_size
        config = {**SIZES, "model_type": "bert", "embedding_size": 4}
        with pytest.warns(UserWarning, match="BERT does not know .*: embedding_size"):
            assert build(config).embedding_size == 8
        config.pop("model_type")  # a configuration of bert4keras
        assert build(config).embedding_size == 4

    @pytest.mark.parametrize(
        "settings",
        [
            {"ignore_invalid_weights": True},
            {"keep_tokens": [0, 1]},
            {"prefix": "../x"},
            {"name": "x"},
            {"layers": {"Embedding-Token": 5}},
            {"recompute": True},
            {"sequence_length": 5},
            {"layer_norm_cond": [1]},
            {"additional_input_layers": ["x"]},
            {"with_mlm": True},
        ],
        ids=str,
    )
    def test_a_file_cannot_choose_for_the_caller(self, settings, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({**SIZES, **settings}))
        message = f"architecture in .*config.json, got {next(iter(settings))}="
        with pytest.raises(ValueError, match=message):
            build(tmp_path)

    @pytest.mark.parametrize(
        "settings, model",
        [
            ({"quantization_config": {"load_in_8bit": True}}, "bert"),
            ({"quantization_config": {"quant_method": "fp8"}}, "gpt2"),
            ({"pruned_heads": {"0": [1]}}, "bert"),
            ({"add_cross_attention": True}, "roformer"),
            ({"is_encoder_decoder": True}, "bert"),
            ({"num_hidden_groups": 2}, "albert"),
            ({"inner_group_num": 2}, "albert_unshared"),
            ({"is_decoder": True}, "albert"),
            ({"is_decoder": True}, "electra"),
            ({"is_decoder": True}, "distilbert"),
            ({"position_embedding_type": "relative_key"}, "electra"),
            ({"layer_norm_eps": 1e-5}, "distilbert"),
            ({"use_mrope": True}, "qwen2"),
            ({"pooler_hidden_size": 4, "relative_attention": True}, "deberta_v2"),
        ],
        ids=str,
    )
    def test_a_value_that_means_another_model_is_refused_by_name(self, settings, model):
        with pytest.raises(ValueError, match=f"can compute {next(iter(settings))}=.* alone"):
            build({**SIZES, **settings}, model=model)

    def test_two_values_of_one_setting_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="hidden_dropout_prob=0.1 and dropout_rate=0.2, which"):
            build({**SIZES, "hidden_dropout_prob": 0.1, "dropout_rate": 0.2})
        (tmp_path / "config.json").write_text('{"vocab_size": 5, "vocab_size": 6}')
        with pytest.raises(ValueError, match="config.json has two values of vocab_size"):
            build(tmp_path)


class TestValues:
    @pytest.mark.parametrize(
        "settings",
        [
            *({key: x} for key in SIZES for x in (-1, 10**400, True, {}, float("nan"), "x")),
            *({"num_hidden_layers": x} for x in (0, 5000, 1.5, [1], float("inf"))),
            *({"type_vocab_size": x} for x in (-1, None, float("nan"))),
            *({"hidden_dropout_prob": x} for x in ("0.1", True, -1, 2, float("nan"), {})),
            *({"layer_norm_eps": x} for x in ("1e-12", 0, -1, float("nan"))),
            *({"pad_token_id": x} for x in (-1, "x", 0.5)),
            {"max_position_embeddings": None},
            {"max_position_embeddings": 0},
            {"tie_word_embeddings": None},
            {"hidden_act": "initializer"},
            {"hidden_act": []},
            {"hidden_act": "quick_gelu"},
            {"hierarchical_position": float("nan")},
            {"is_decoder": "false"},
            {"architectures": "BertModel"},
            {"architectures": [["BertModel"]]},
            {"model_type": ["bert"]},
        ],
        ids=lambda x: str(x)[:40],
    )
    def test_a_wrong_value_is_refused_under_its_key(self, settings, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({**SIZES, **settings}))
        with pytest.raises(ValueError, match=f"^Expected {next(iter(settings))}.* got "):
            build(tmp_path)

    def test_an_id_of_padding_is_in_the_vocabulary(self):
        with pytest.raises(ValueError, match="pad_token_id to be .* from 0 to 12, got 13"):
            build({**SIZES, "pad_token_id": 13})
        with pytest.raises(ValueError, match="pad_token_id to be .* from 0 to 1, got 3. It counts"):
            build({**SIZES, "pad_token_id": 3}, keep_tokens=[0, 3])
        assert build({**SIZES, "pad_token_id": None}).pad_token_id is None

    def test_a_whole_float_is_an_integer(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({**SIZES, "hidden_size": 8.0}))
        hidden_size = build(tmp_path / "config.json").hidden_size
        assert hidden_size == 8 and isinstance(hidden_size, int)

    def test_null_is_the_default_where_there_is_one(self):
        config = {**SIZES, "position_embedding_type": None, "pruned_heads": None, "x": None}
        assert build(config).max_position == 16

    def test_files_in_other_encodings_are_read(self, tmp_path):
        for encoding in ("utf-8-sig", "utf-16"):
            (tmp_path / "config.json").write_text(json.dumps(SIZES), encoding=encoding)
            assert read_config(tmp_path) == SIZES

    def test_deep_json_is_refused(self, tmp_path):
        path = tmp_path / "config.json"
        path.write_text('{"a":' + "[" * 100000 + "]" * 100000 + "}")
        with pytest.raises(ValueError, match="config.json is not JSON"):
            read_config(path)

    def test_a_configuration_of_a_tokenizer_is_none_of_a_model(self, tmp_path):
        (tmp_path / "tokenizer_config.json").write_text("{}")
        with pytest.raises(FileNotFoundError, match="No configuration in the folder"):
            read_config(tmp_path)

    def test_absurd_sizes_are_refused_before_a_layer_is_built(self):
        with pytest.raises(ValueError, match="asks for .* weights or more, which no machine holds"):
            build({**SIZES, "vocab_size": 10**8, "hidden_size": 10**5, "embedding_size": 10**5})
        with pytest.raises(ValueError, match="asks for 999 blocks, but .* holds 1 tensors"):
            build_transformer_model({**SIZES, "num_hidden_layers": 999}, {"x": np.zeros(3)})
        with pytest.raises(ValueError, match=r"asks for 3.*e\+08 weights or more, but .* holds 3"):
            build_transformer_model({**SIZES, "vocab_size": 4 * 10**7}, {"x": np.zeros(3)})


class TestActivations:
    @pytest.mark.parametrize(
        "name, function",
        [
            ("gelu_new", "gelu_tanh"),
            ("gelu_fast", "gelu_tanh"),
            ("gelu_accurate", "gelu_tanh"),
            ("gelu_pytorch_tanh", "gelu_tanh"),
            ("gelu_python", "gelu_erf"),
            ("silu", "swish"),
            ("hardswish", "hard_silu"),
        ],
    )
    def test_a_name_of_transformers_needs_no_model_type(self, name, function):
        assert build({**SIZES, "hidden_act": name}).hidden_act == function

    @pytest.mark.parametrize(
        "folder, key",
        [
            ("bert", "hidden_act"),
            ("gpt2", "activation_function"),
            ("openai_gpt", "afn"),
            ("distilbert", "activation"),
            ("modernbert", "hidden_activation"),
            ("modernbert", "classifier_activation"),
            ("deberta_v2", "conv_act"),
            ("deberta_v2", "pooler_hidden_act"),
            ("t5_v1_1", "feed_forward_proj"),
            ("llama", "hidden_act"),
        ],
    )
    def test_the_slope_of_leaky_relu_is_not_guessed(self, folder, key):
        config = load_record(f"hf/{folder}/config.json")
        for name in ("leaky_relu", "gated-leaky_relu") if folder == "t5_v1_1" else ["leaky_relu"]:
            with pytest.raises(ValueError, match=f"{key}='{name}'.* slope 0.01 in transformers"):
                build({**config, key: name})

    def test_leaky_relu_of_bert4keras_is_written_to_its_own_folders_alone(self, tmp_path):
        build({**SIZES, "hidden_act": "leaky_relu"}, model="nezha").save_pretrained(tmp_path)
        assert build(tmp_path).hidden_act == "leaky_relu"
        with pytest.raises(ValueError, match="an activation that it has no name for, or has"):
            build({**SIZES, "hidden_act": "leaky_relu"}).save_pretrained(tmp_path)


CAUSAL = ["bert", "ernie", "roformer", "xlm_roberta", "nezha", "roformer_v2"]


class TestDecoders:
    @pytest.mark.parametrize("model", CAUSAL)
    @pytest.mark.parametrize("architectures", [None, ["BertModel"], ["BertLMHeadModel"]])
    @pytest.mark.parametrize("is_decoder", [None, False, True])
    def test_is_decoder_alone_makes_a_model_causal(self, model, architectures, is_decoder):
        config = {**SIZES, "architectures": architectures, "is_decoder": is_decoder}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class of decoders without is_decoder
            transformer = randomize_weights(build(config, model=model))
        assert transformer.mask_kind == ("causal" if is_decoder else "full")
        has_head = is_decoder and architectures == ["BertLMHeadModel"]
        assert transformer.model.output_shape[-1] == (13 if has_head else 8)
        rows = np.array([[5, 9, 7, 3], [5, 9, 7, 8]])
        inputs = [rows, 0 * rows][: len(transformer.model.inputs)]
        (got,) = compute_outputs(transformer.model, inputs)
        difference = np.abs(got[0, :3] - got[1, :3]).max()
        assert difference < 1e-5 if is_decoder else difference > 1e-3

    def test_a_class_of_decoders_without_is_decoder_is_warned_of(self):
        config = {**SIZES, "model_type": "bert", "architectures": ["BertLMHeadModel"]}
        with pytest.warns(UserWarning, match="is_decoder is not true: .* application='lm'"):
            build(config)

    def test_the_application_of_the_caller_goes_first(self):
        assert build({**SIZES, "is_decoder": True}, application="encoder").mask_kind == "full"
        assert build({**SIZES, "is_decoder": False}, application="lm").mask_kind == "causal"

    def test_a_causal_encoder_is_written_as_one(self, tmp_path):
        build({**SIZES, "model_type": "bert", "is_decoder": True}).save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        assert config["architectures"] == ["BertModel"] and config["is_decoder"] is True
        assert build(tmp_path).mask_kind == "causal"


UNTIED = {  # model -> what to build for its token head
    **dict.fromkeys(("bert", "xlm_roberta", "distilbert", "ernie", "albert"), {"with_mlm": True}),
    **dict.fromkeys(("roformer", "nezha", "roformer_v2", "gau_alpha"), {"with_mlm": True}),
    **dict.fromkeys(("albert_unshared", "modernbert"), {"with_mlm": True}),
    "deberta_v2": {"with_mlm": True, "position_buckets": 0},
    "electra": {"with_generator": True},
    "gpt": {"segment_vocab_size": 0, "hidden_act": "relu"},
    **dict.fromkeys(("gpt2", "gpt2_ml", "llama"), {}),
}


class TestUntiedHeads:
    @pytest.mark.parametrize("model", UNTIED)
    def test_a_head_of_its_own_is_written_and_read(self, model, tmp_path):
        config = {**SIZES, "intermediate_size": 32, "tie_word_embeddings": False}
        transformer = randomize_weights(build(config, model=model, **UNTIED[model]))
        assert "Output-LM" in transformer.layers
        transformer.save_pretrained(tmp_path)
        copy = build(tmp_path, **UNTIED[model])
        inputs = [IDS, 0 * IDS][: len(transformer.model.inputs)]
        (got,), (want,) = (compute_outputs(x.model, inputs) for x in (copy, transformer))
        assert_close(got, want, 1e-6)
        tokens = [0, 9, 5, 7, 3]
        small = build(tmp_path, keep_tokens=tokens, **UNTIED[model])
        weight = small.layers["Output-LM"].weights[0]
        want = ops.convert_to_numpy(transformer.layers["Output-LM"].weights[0])[tokens]
        assert_close(weight, want, 1e-6)

    def test_without_a_head_the_setting_means_nothing(self):
        assert "Output-LM" not in build({**SIZES, "tie_word_embeddings": False}).layers


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (
            {"num_attention_heads": -2},
            ValueError,
            "num_attention_heads to be a whole number from 1",
        ),
        ({"num_hidden_layers": 1.5}, TypeError, "num_hidden_layers to be a whole number"),
        ({"keep_tokens": [99]}, ValueError, r"keep_tokens\[0\] to be .* from 0 to 12, got 99"),
        ({"keep_tokens": []}, ValueError, "keep_tokens to hold one id or more"),
        ({"keep_tokens": ["a"]}, TypeError, "keep_tokens to hold ids, got 'a'"),
        ({"compound_tokens": 5}, TypeError, "compound_tokens to be a list of lists"),
        ({"compound_tokens": [5]}, TypeError, r"compound_tokens\[0\] to be a list of ids, got 5"),
        ({"compound_tokens": [[99]]}, ValueError, r"compound_tokens\[0\]\[0\] to be .*, got 99"),
        ({"application": 3}, TypeError, "application to be a str, got 3"),
        ({"model": 3}, TypeError, "model to be a str, got 3. Pass a name in FAMILIES"),
        ({"prefix": 3}, TypeError, "prefix to be a str"),
        ({"layers": []}, TypeError, "layers to be a dict"),
        ({"pad_token_id": "x"}, TypeError, "pad_token_id to be a whole number"),
        ({"hierarchical_position": "x"}, TypeError, "hierarchical_position to be a finite number"),
        ({"sequence_length": 0}, ValueError, "sequence_length to be a whole number"),
        ({"dropout_rate": 2}, ValueError, "dropout_rate to be a finite number from 0 to 1"),
        ({"with_pool": "tanhh"}, ValueError, "with_pool to be the name of an activation"),
        ({"recompute": "yes"}, TypeError, "recompute to be True or False"),
        ({"checkpoint_path": 3}, TypeError, "checkpoint_path to be a path, a dict"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_a_wrong_argument_is_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=f"Expected {message}"):
        build(SIZES, **arguments)


def test_golden_configurations_open_without_a_warning():
    for path in sorted((GOLDEN / "hf").glob("*/config.json")):
        _, _, unknown_keys = read(json.loads(path.read_text()))
        assert unknown_keys == [], path
