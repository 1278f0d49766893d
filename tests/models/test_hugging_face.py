"""Folders of Hugging Face open with equal outputs, and those written here open there."""

import numpy as np
import pytest
from support import (
    GOLDEN,
    assert_close,
    compute_outputs,
    load_arrays,
    load_record,
    randomize_weights,
)

from bert4keras.models import build_transformer_model

HEADS = {  # output in transformers -> what to build
    "last_hidden_state": {},
    "pooler_output": {"with_pool": True},
    "logits": {"with_mlm": "linear"},
    "prediction_logits": {"with_mlm": "linear"},
    "encoder_last_hidden_state": {"model": "t5_encoder"},
}
FOLDER_HEADS = {  # folder -> what to build for its outputs, where it is something else
    "bert_classifier": {"logits": None},  # its head is the user's own
    "bert_nsp": {"logits": None},
    "electra_discriminator": {"logits": {"with_discriminator": "linear"}},
    "electra_mlm": {"logits": {"with_generator": "linear"}},
    "roformer@float16": {"last_hidden_state": None},  # see test_roformer.py
    "ernie": {
        "last_hidden_state": {"task_id": None},
        "pooler_output": {"task_id": None, "with_pool": True},
    },
    **dict.fromkeys(("t5_v1_0", "t5_v1_1", "mt5"), {"logits": {"with_lm": "linear"}}),
    **dict.fromkeys(
        ("openai_gpt", "gpt2", "llama", "qwen2"), {"logits": {"final_activation": "linear"}}
    ),
}
NSP = {"bert_nsp": "logits", "bert_pretraining": "seq_relationship_logits"}
FOLDERS = sorted(path.name for path in (GOLDEN / "hf").iterdir() if path.is_dir())
INPUTS = {  # here -> in transformers
    "Input-Token": "input_ids",
    "Input-Segment": "token_type_ids",
    "Input-Task": "task_type_ids",
    "Encoder-Input-Token": "input_ids",
    "Decoder-Input-Token": "decoder_input_ids",
}


def numbers_of(folder):
    numbers = load_arrays(f"hf/{folder.partition('@')[0]}/golden.npz")
    return {**numbers, **load_arrays(f"hf/{folder}/golden.npz")}


def hf_input_names(model):
    """The names that transformers gives the inputs of a model."""
    return [INPUTS[x.name] for x in model.inputs]


def outputs_named(model, inputs):
    """Return a model's outputs, as a list, for inputs under the names of transformers."""
    return compute_outputs(model, [inputs[name] for name in hf_input_names(model)])


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def compare(got, want, visible):
    """Equal where there is no padding."""
    got = got.reshape(want.shape)
    if got.shape[:2] == visible.shape:
        got, want = got[visible], want[visible]
    assert_close(got, want, 1e-4)


def compare_recorded(model, numbers, output, turn=lambda x: x):
    for batch in "ab":
        inputs = {key: numbers.get(f"{batch}.in.{key}") for key in INPUTS.values()}
        (got,) = outputs_named(model, inputs)
        visible = numbers[f"{batch}.in.attention_mask"].astype(bool)
        compare(got, turn(numbers[f"{batch}.out.{output}"]), visible)


def build(folder, **heads):
    return build_transformer_model(GOLDEN / "hf" / folder, **heads)


def heads_of(folder, output):
    """Return heads to build for an output of a folder, or None if there is nothing to build."""
    heads = FOLDER_HEADS.get(folder, FOLDER_HEADS.get(folder.partition("@")[0], {}))
    return heads.get(output, HEADS[output])


RECORDED = [
    (folder, output)
    for folder in FOLDERS
    for output in HEADS
    if f"a.out.{output}" in numbers_of(folder) and heads_of(folder, output) is not None
]


@pytest.mark.parametrize("folder, output", RECORDED)
def test_a_folder_gives_the_outputs_of_transformers(folder, output):
    heads = heads_of(folder, output)
    compare_recorded(build(folder, **heads), numbers_of(folder), output)


@pytest.mark.parametrize("folder", [name for name in FOLDERS if name.partition("@")[0] in NSP])
def test_a_folder_tells_whether_sentences_follow_each_other(folder):
    model = build(folder, with_nsp=True)
    compare_recorded(model, numbers_of(folder), NSP[folder.partition("@")[0]], softmax)


def test_a_folder_of_a_classifier_opens_without_its_head():
    assert build("bert_classifier", with_pool=True).output_shape == (None, 32)


def test_a_task_is_the_first_unless_another_is_given():
    numbers = numbers_of("ernie")  # batch a is of task 0, batch b of task 1
    for batch, options in (("a", {}), ("b", {"task_id": 1})):
        inputs = {key: numbers.get(f"{batch}.in.{key}") for key in INPUTS.values()}
        (got,) = outputs_named(build("ernie", **options), inputs)
        visible = numbers[f"{batch}.in.attention_mask"].astype(bool)
        compare(got, numbers[f"{batch}.out.last_hidden_state"], visible)


SCORES = {"final_activation": "linear"}
SAVED_MODELS = [  # folder of a config, what to build, the class in transformers, its outputs
    ("models/bert", {}, "BertModel", ["last_hidden_state"]),
    ("models/bert", {"with_pool": True}, "BertModel", ["pooler_output"]),
    ("models/bert", {"with_mlm": "linear"}, "BertForMaskedLM", ["logits"]),
    ("models/bert", {"with_nsp": True}, "BertForNextSentencePrediction", ["logits"]),
    (
        "models/bert",
        {"with_nsp": True, "with_mlm": True},
        "BertForPreTraining",
        ["seq_relationship_logits", "prediction_logits"],
    ),
    ("models/bert", {"application": "lm", "with_mlm": "linear"}, "BertLMHeadModel", ["logits"]),
    ("models/albert", {"model": "albert"}, "AlbertModel", ["last_hidden_state"]),
    (
        "models/albert",
        {"model": "albert", "with_mlm": "linear"},
        "AlbertForMaskedLM",
        ["logits"],
    ),
    ("hf/roformer", {}, "RoFormerModel", ["last_hidden_state"]),
    ("hf/roformer_rotary_value", {}, "RoFormerModel", ["last_hidden_state"]),
    ("hf/roformer", {"with_mlm": "linear"}, "RoFormerForMaskedLM", ["logits"]),
    ("hf/roformer", {"application": "lm", "with_mlm": "linear"}, "RoFormerForCausalLM", ["logits"]),
    ("hf/roberta", {}, "RobertaModel", ["last_hidden_state"]),
    ("hf/roberta", {"with_pool": True}, "RobertaModel", ["pooler_output"]),
    ("hf/roberta", {"with_mlm": "linear"}, "RobertaForMaskedLM", ["logits"]),
    ("hf/roberta", {"application": "lm", "with_mlm": "linear"}, "RobertaForCausalLM", ["logits"]),
    ("hf/electra_mlm", {}, "ElectraModel", ["last_hidden_state"]),
    ("hf/electra_mlm", {"with_discriminator": "linear"}, "ElectraForPreTraining", ["logits"]),
    ("hf/electra_mlm", {"with_generator": "linear"}, "ElectraForMaskedLM", ["logits"]),
    ("hf/distilbert", {}, "DistilBertModel", ["last_hidden_state"]),
    ("hf/distilbert", {"with_mlm": "linear"}, "DistilBertForMaskedLM", ["logits"]),
    ("hf/ernie", {"task_id": None}, "ErnieModel", ["last_hidden_state"]),
    ("hf/ernie_no_task", {"with_pool": True}, "ErnieModel", ["pooler_output"]),
    ("hf/ernie", {"with_mlm": "linear"}, "ErnieForMaskedLM", ["logits"]),
    ("hf/ernie", {"application": "lm", "with_mlm": "linear"}, "ErnieForCausalLM", ["logits"]),
    ("hf/ernie", {"with_nsp": True}, "ErnieForNextSentencePrediction", ["logits"]),
    (
        "hf/ernie",
        {"with_nsp": True, "with_mlm": True},
        "ErnieForPreTraining",
        ["seq_relationship_logits", "prediction_logits"],
    ),
    ("hf/deberta_v2", {}, "DebertaV2Model", ["last_hidden_state"]),
    ("hf/deberta_v2", {"with_mlm": "linear"}, "DebertaV2ForMaskedLM", ["logits"]),
    (
        "hf/deberta_v2",
        {
            "with_mlm": "linear",
            "embedding_size": 24,
            "segment_vocab_size": 2,
            "position_buckets": 0,
            "max_relative_positions": 3,
            "pos_att_type": ["c2p"],
            "share_att_key": False,
            "norm_rel_ebd": "none",
            "position_biased_input": True,
            "conv_kernel_size": 3,
            "conv_act": "tanh",
        },
        "DebertaV2ForMaskedLM",
        ["logits"],
    ),
    ("hf/deberta_v2", {"share_att_key": False}, "DebertaV2Model", ["last_hidden_state"]),
    ("hf/modernbert", {}, "ModernBertModel", ["last_hidden_state"]),
    ("hf/modernbert", {"with_mlm": "linear"}, "ModernBertForMaskedLM", ["logits"]),
    (
        "hf/modernbert",
        {
            "layer_types": None,
            "global_attn_every_n_layers": 2,
            "local_attention": 2,
            "global_rope_theta": 50.0,
            "local_rope_theta": 5.0,
            "layer_norm_eps": 1e-3,
            "with_mlm": "linear",
            "classifier_activation": "tanh",
        },
        "ModernBertForMaskedLM",
        ["logits"],
    ),
    ("hf/openai_gpt", SCORES, "OpenAIGPTLMHeadModel", ["logits"]),
    (
        "hf/openai_gpt",
        {**SCORES, "shared_segment_embeddings": True, "segment_vocab_size": 2},
        "OpenAIGPTLMHeadModel",
        ["logits"],
    ),
    ("hf/gpt2", SCORES, "GPT2LMHeadModel", ["logits"]),
    ("models/gpt2", {**SCORES, "model": "gpt2"}, "GPT2LMHeadModel", ["logits"]),
    ("hf/llama", SCORES, "LlamaForCausalLM", ["logits"]),
    (
        "hf/llama",
        {
            **SCORES,
            "tie_word_embeddings": True,
            "projection_bias": True,
            "mlp_bias": True,
            "key_value_heads": 1,
            "attention_head_size": 6,
            "rope_theta": 50.0,
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8,
            },
        },
        "LlamaForCausalLM",
        ["logits"],
    ),
    ("hf/llama", {**SCORES, "model": "mistral"}, "MistralForCausalLM", ["logits"]),
    ("hf/qwen2", SCORES, "Qwen2ForCausalLM", ["logits"]),
    (
        "hf/qwen2",
        {
            **SCORES,
            "tie_word_embeddings": False,
            "rope_scaling": {"rope_type": "linear", "factor": 3.0},
        },
        "Qwen2ForCausalLM",
        ["logits"],
    ),
    ("hf/t5_v1_0", {"with_lm": "linear"}, "T5ForConditionalGeneration", ["logits"]),
    ("hf/t5_v1_0", {"with_lm": False}, "T5Model", ["last_hidden_state"]),
    ("hf/t5_v1_0", {"model": "t5_encoder"}, "T5EncoderModel", ["last_hidden_state"]),
    ("hf/t5_v1_1", {"with_lm": "linear"}, "T5ForConditionalGeneration", ["logits"]),
    (
        "hf/t5_v1_1",
        {
            "with_lm": "linear",
            "hidden_act": ["gelu_erf", "linear"],
            "num_decoder_layers": 1,
            "relative_attention_num_buckets": 6,
            "relative_attention_max_distance": 4,
        },
        "T5ForConditionalGeneration",
        ["logits"],
    ),
    ("hf/mt5", {"with_lm": "linear"}, "MT5ForConditionalGeneration", ["logits"]),
    ("hf/mt5", {"model": "mt5.1.1_encoder"}, "MT5EncoderModel", ["last_hidden_state"]),
]


def with_random_weights(folder, options):
    """A model by the config of a golden folder, no weight of it zero or one."""
    config = GOLDEN / folder / "config.json"
    return randomize_weights(build_transformer_model(config, return_keras_model=False, **options))


@pytest.mark.parametrize("folder, options, architecture, names", SAVED_MODELS)
def test_a_folder_written_here_gives_transformers_the_same_outputs(
    folder, options, architecture, names, tmp_path
):
    transformers = pytest.importorskip("transformers", reason="needs the bench extra")
    torch = pytest.importorskip("torch")
    bert = with_random_weights(folder, options)
    bert.save_pretrained(tmp_path)
    assert load_record(tmp_path / "config.json")["architectures"] == [architecture]
    hf_model = getattr(transformers, architecture).from_pretrained(tmp_path).eval()
    pad = bert.pad_token_id or 0
    ids = np.array([[2, 7, 9, 11, 3], [2, 8, 3, pad, pad]])
    segments = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
    inputs = {"input_ids": ids, "token_type_ids": segments, "task_type_ids": 2 - segments}
    inputs["decoder_input_ids"] = np.array([[0, 7, 9, 11], [0, 8, 3, 5]])
    tensors = {name: torch.tensor(inputs[name]) for name in hf_input_names(bert.model)}
    with torch.no_grad():
        want = hf_model(attention_mask=torch.tensor(ids != pad).long(), **tensors)
    for got, name in zip(outputs_named(bert.model, inputs), names, strict=True):
        scores = want[name].numpy()
        compare(got, softmax(scores) if "with_nsp" in options else scores, ids != pad)


def test_a_model_that_transformers_cannot_compute_is_refused(tmp_path):
    for folder, options, message in [
        ("models/bert", {"application": "unilm"}, "a UniLM mask"),
        ("models/bert", {"hierarchical_position": True}, "hierarchical_position"),
        ("models/bert", {"with_pool": "linear"}, "a pooler other than tanh"),
        ("hf/roformer", {"with_pool": True}, "a pooler"),
        ("hf/roformer", {"custom_position_ids": True}, "custom_position_ids"),
        ("hf/roberta", {"pad_token_id": 0}, "positions that begin elsewhere"),
        ("hf/electra_mlm", {"with_discriminator": True, "with_generator": True}, "both heads"),
        ("hf/deberta_v2", {"with_pool": "tanh"}, "a pooler other than pooler_hidden_act"),
        ("hf/distilbert", {"application": "lm"}, "a causal mask"),
        ("hf/distilbert", {"layer_norm_eps": 1e-5}, "layer_norm_eps other than 1e-12"),
        ("hf/openai_gpt", {"segment_vocab_size": 2}, "segments of their own"),
        ("hf/openai_gpt", {"intermediate_size": 64}, r"intermediate_size other than 4 \* hidden"),
        ("hf/openai_gpt", {"hidden_act": "gelu_erf"}, "hidden_act other than gelu_tanh"),
        ("hf/llama", {"attention_key_size": 4}, "keys and values of different sizes"),
        ("hf/t5_v1_0", {"cross_position_bias": True}, "cross_position_bias"),
        ("hf/t5_v1_1", {"scale_decoder_outputs": True}, "scale_decoder_outputs other than"),
        ("hf/t5_v1_1", {"hidden_act": ["relu", "relu"]}, "a gate other than linear"),
        ("hf/mt5", {"embedding_size": 8}, "embedding_size other than hidden_size"),
        ("hf/mt5", {"attention_key_size": 8}, "keys and values of different sizes"),
    ]:
        config = GOLDEN / folder / "config.json"
        model = build_transformer_model(config, return_keras_model=False, **options)
        with pytest.raises(ValueError, match=f"transformers has no .* with {message}"):
            model.save_pretrained(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


# Configurations


def test_the_keys_of_configurations_are_those_of_transformers():
    """A newer version may have further keys: record them, and say what each means here."""
    transformers = pytest.importorskip("transformers", reason="needs the bench extra")
    record = load_record("hf_configs.json")
    for model_type, defaults in record.items():
        if model_type:
            keys = transformers.AutoConfig.for_model(model_type).to_dict()
            assert {*keys} - {"transformers_version"} == {*record[""], *defaults}, model_type


SMALL = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}
SMALL_GPT = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
SMALL_DISTILBERT = {"vocab_size": 40, "dim": 16, "hidden_dim": 32, "n_heads": 2, "n_layers": 2}
MLM, VECTORS = {"with_mlm": "linear"}, {}
UNTIED, CAUSAL = {"tie_word_embeddings": False}, {"is_decoder": True}
SETTINGS = [  # class in transformers, its configuration, what to build, the output
    ("BertForMaskedLM", {**SMALL, **UNTIED}, MLM, "logits"),
    ("AlbertForMaskedLM", {**SMALL, "embedding_size": 8, **UNTIED}, MLM, "logits"),
    ("RobertaForMaskedLM", {**SMALL, **UNTIED}, MLM, "logits"),
    ("ElectraForMaskedLM", {**SMALL, **UNTIED}, {"with_generator": "linear"}, "logits"),
    ("ErnieForMaskedLM", {**SMALL, **UNTIED}, MLM, "logits"),
    ("RoFormerForMaskedLM", {**SMALL, **UNTIED}, MLM, "logits"),
    ("DistilBertForMaskedLM", {**SMALL_DISTILBERT, **UNTIED}, MLM, "logits"),
    ("DebertaV2ForMaskedLM", {**SMALL, "relative_attention": True, **UNTIED}, MLM, "logits"),
    ("ModernBertForMaskedLM", {**SMALL, "pad_token_id": 0, **UNTIED}, MLM, "logits"),
    ("GPT2LMHeadModel", {**SMALL_GPT, **UNTIED}, SCORES, "logits"),
    ("OpenAIGPTLMHeadModel", {**SMALL_GPT, **UNTIED}, SCORES, "logits"),
    ("BertModel", {**SMALL, **CAUSAL}, VECTORS, "last_hidden_state"),
    ("BertForMaskedLM", {**SMALL, **CAUSAL}, MLM, "logits"),
    ("BertLMHeadModel", {**SMALL, **CAUSAL}, MLM, "logits"),
    ("BertLMHeadModel", {**SMALL, "is_decoder": False}, MLM, "logits"),
    ("RobertaModel", {**SMALL, **CAUSAL}, VECTORS, "last_hidden_state"),
    ("RobertaForCausalLM", {**SMALL, "is_decoder": False}, MLM, "logits"),
    ("ErnieModel", {**SMALL, **CAUSAL}, VECTORS, "last_hidden_state"),
    ("RoFormerModel", {**SMALL, **CAUSAL}, VECTORS, "last_hidden_state"),
]


@pytest.mark.filterwarnings("ignore:The configuration names")  # of decoders that are not causal
@pytest.mark.parametrize("architecture, settings, options, output", SETTINGS)
def test_settings_mean_what_they_mean_to_transformers(
    architecture, settings, options, output, tmp_path
):
    transformers = pytest.importorskip("transformers", reason="needs the bench extra")
    torch = pytest.importorskip("torch")
    hf_class = getattr(transformers, architecture)
    torch.manual_seed(0)
    hf_model = hf_class(hf_class.config_class(**settings)).eval()
    for name, parameter in hf_model.named_parameters():  # an untied head has two biases
        if "embed_positions" not in name:  # sines and cosines
            torch.nn.init.normal_(parameter, std=0.3)
    hf_model.save_pretrained(tmp_path)
    ids = np.array([[5, 6, 7, 8, 9, 10]])
    with torch.no_grad():
        want = hf_model(torch.tensor(ids))[output].numpy()
    model = build_transformer_model(tmp_path, return_keras_model=False, **options)
    (got,) = outputs_named(model.model, {"input_ids": ids, "token_type_ids": 0 * ids})
    assert_close(got, want, 1e-4)
    model.save_pretrained(tmp_path / "copy")
    hf_copy = hf_class.from_pretrained(tmp_path / "copy").eval()
    with torch.no_grad():
        assert_close(hf_copy(torch.tensor(ids))[output].numpy(), want, 1e-4)
