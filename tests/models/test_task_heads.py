"""Task models: the heads of Hugging Face's folders, their labels, and what is refused."""

import json
import shutil

import keras
import numpy as np
import pytest
from support import (
    GOLDEN,
    assert_close,
    compute_outputs,
    load_archive,
    load_arrays,
    randomize_weights,
)
from task_head_cases import CASES, make_batches, segments_of

from bert4keras.checkpoints import open_checkpoint
from bert4keras.models import build_task_model, build_transformer_model

SIZES = {
    "model_type": "bert",
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "hidden_act": "gelu",
    "max_position_embeddings": 16,
}
CLASSIFIER = {**SIZES, "architectures": ["BertForSequenceClassification"]}
IDS = np.array([[5, 9, 7, 3], [5, 3, 0, 0]])


def logits_of(task_model, ids=IDS, segments=None):
    segments = 0 * ids if segments is None else segments
    inputs = [ids if "Token" in x.name else segments for x in task_model.model.inputs]
    return compute_outputs(task_model.model, inputs)[0]


def case_of(name):
    """Return the configuration, weights and logits that transformers gave for a case."""
    arrays = load_archive("task_heads.npz.xz")
    weights = f"{name}/weights/"
    tensors = {x.removeprefix(weights): arrays[x] for x in arrays if x.startswith(weights)}
    config = json.loads(str(arrays[f"{name}/config"]))
    return config, tensors, [arrays[f"{name}/logits/{i}"] for i in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_transformers(name):
    config, tensors, logits = case_of(name)
    model = build_task_model(config, tensors, **CASES[name][2])
    for (ids, is_token), want in zip(make_batches(config["pad_token_id"]), logits, strict=True):
        got = logits_of(model, ids, segments_of(ids))
        is_text = got.shape[:2] != ids.shape
        assert_close(*((got, want) if is_text else (got[is_token], want[is_token])), 1e-5)


@pytest.fixture
def folder(tmp_path):
    """A folder of a classifier with three labels."""
    model = build_task_model(CLASSIFIER, labels=["bad", "fair", "good"])
    randomize_weights(model).save_pretrained(tmp_path)
    return tmp_path


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    config = {key: x for key, x in {**config, **changes}.items() if x is not None}
    (folder / "config.json").write_text(json.dumps(config))


class TestFolders:
    def test_a_folder_gives_the_logits_of_transformers(self):
        numbers = load_arrays("hf/bert_classifier/golden.npz")
        model = build_task_model(GOLDEN / "hf/bert_classifier")
        assert model.labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
        for batch in "ab":
            inputs = [numbers[f"{batch}.in.{x}"] for x in ("input_ids", "token_type_ids")]
            got = compute_outputs(model.model, inputs)[0]
            assert_close(got, numbers[f"{batch}.out.logits"], 1e-4)

    def test_a_folder_written_here_opens_with_equal_logits(self, folder):
        model = build_task_model(folder)
        assert (model.task, model.labels) == ("text-classification", ["bad", "fair", "good"])
        model.save_pretrained(folder / "copy")
        assert_close(logits_of(build_task_model(folder / "copy")), logits_of(model), 0)

    def test_the_config_names_class_labels_and_problem(self, folder):
        model = build_task_model(folder, problem_type="multi_label_classification")
        model.save_pretrained(folder / "copy")
        config = json.loads((folder / "copy/config.json").read_text())
        assert config["architectures"] == ["BertForSequenceClassification"]
        assert config["id2label"] == {"0": "bad", "1": "fair", "2": "good"}
        assert config["label2id"] == {"bad": 0, "fair": 1, "good": 2}
        assert build_task_model(folder / "copy").problem_type == "multi_label_classification"

    def test_labels_can_be_renamed(self, folder):
        model = build_task_model(folder, labels=["a", "b", "c"])
        assert model.labels == ["a", "b", "c"]
        assert_close(logits_of(model), logits_of(build_task_model(folder)), 0)

    def test_a_folder_without_labels_has_two(self):
        assert build_task_model(CLASSIFIER).labels == ["LABEL_0", "LABEL_1"]
        assert build_task_model({**CLASSIFIER, "num_labels": 1}).labels == ["LABEL_0"]


class TestNewHead:
    def test_a_new_head_keeps_the_other_weights(self, folder):
        model = build_task_model(folder, labels=["a", "b"], new_head=True)
        first = build_task_model(folder)
        for layer in first.model.layers:
            for weight, copy in zip(layer.weights, model.model.get_layer(layer.name).weights):
                if layer.name != "Classifier":
                    assert_close(copy, np.array(weight), 0)
        kernel, bias = model.model.get_layer("Classifier").get_weights()
        assert kernel.shape == (8, 2) and kernel.std() > 0 and not bias.any()

    def test_a_pooler_that_the_file_lacks_is_new_too(self, tmp_path):
        encoder = build_transformer_model(SIZES, return_keras_model=False)
        encoder.save_pretrained(tmp_path)
        options = {"task": "text-classification", "labels": ["a", "b", "c"]}
        model = build_task_model(tmp_path, new_head=True, **options)
        assert model.model.get_layer("Pooler-Dense").get_weights()[0].std() > 0
        assert model.model.output_shape == (None, 3)

    def test_a_torch_file_is_read(self):
        options = {"task": "text-classification", "labels": ["a", "b"], "new_head": True}
        model = build_task_model(GOLDEN / "hf/bert@bin", **options)
        want = build_transformer_model(GOLDEN / "hf/bert").get_layer("Embedding-Norm")
        got = model.model.get_layer("Embedding-Norm")
        assert_close(got.get_weights()[1], want.get_weights()[1], 0)

    def test_a_missing_head_is_refused_by_name(self, tmp_path):
        encoder = build_transformer_model(SIZES, with_pool=True, return_keras_model=False)
        encoder.save_pretrained(tmp_path)
        message = (
            "no variable `classifier/kernel`(.|\n)*no head for text-classification: "
            "`classifier/kernel`, .* pass new_head=True, and labels"
        )
        with pytest.raises(ValueError, match=message):
            build_task_model(tmp_path, task="text-classification", labels=["a", "b"])

    def test_a_new_head_needs_labels(self):
        config = {**CLASSIFIER, "id2label": {"0": "a"}}  # those of the head that is there
        with pytest.raises(ValueError, match="Expected labels for a new head, got None"):
            build_task_model(config, new_head=True)

    def test_a_new_head_may_be_of_another_task(self, folder):
        options = {"task": "token-classification", "labels": ["O", "B"], "new_head": True}
        assert build_task_model(folder, **options).model.output_shape == (None, None, 2)

    def test_a_classifier_of_modernbert_keeps_the_pretrained_part_of_its_head(self):
        config, tensors, _ = case_of("ModernBertForMaskedLM@bias")
        options = {"task": "text-classification", "labels": ["a", "b"], "new_head": True}
        model = build_task_model(config, tensors, **options).model
        bias = model.get_layer("MLM-Dense").get_weights()[1]
        assert_close(bias, tensors["head.dense.bias"].astype("float32"), 0)

    def test_a_pretrained_head_cannot_be_new(self):
        with pytest.raises(ValueError, match="new_head=True with a classifier .* got fill-mask"):
            build_task_model(SIZES, task="fill-mask", new_head=True)


class TestBadInput:
    def test_labels_that_do_not_match_the_head(self, folder):
        message = (
            "`classifier/kernel`: a head of 3 outputs, expected 2 outputs(.|\n)*"
            "an output for each label. Correct id2label"
        )
        with pytest.raises(ValueError, match=message):
            build_task_model(folder, labels=["a", "b"])
        with pytest.raises(ValueError, match="a head of 3 outputs, expected 2 outputs"):
            build_task_model(folder, labels=["a", "b"], autoresize_weights=True)

    @pytest.mark.parametrize(
        "changes, message",
        [
            ({"id2label": {"0": "a", "2": "b"}}, "id2label to have the ids 0 to 1, got"),
            ({"id2label": {"0": "a", "x": "b"}}, "id2label to have the ids 0 to 1, got"),
            ({"id2label": {"0": "a", 0: "b"}}, "id2label to have the ids 0 to 1, got"),
            ({"id2label": {"0": "a", "1": "a"}}, "id2label to hold distinct .* got 'a' more than"),
            ({"id2label": {}}, "id2label to hold distinct names of outputs, got none"),
            ({"id2label": ["a", "b"]}, "Expected id2label to be a dict, got"),
            ({"id2label": {"0": "a", "1": 1}}, r"Expected id2label\[1\] to be a str, got 1"),
            ({"id2label": {"0": "a"}, "num_labels": 2}, "Expected num_labels to be 1, the length"),
            ({"num_labels": 0}, "Expected num_labels to be a whole number from 1"),
            ({"problem_type": "ranking"}, "Expected problem_type to be one of"),
            ({"classifier_dropout": 2}, "Expected classifier_dropout to be .* from 0 to 1, got 2"),
            ({"classifier_dropout": "0"}, "Expected classifier_dropout to be a finite number"),
            ({"architectures": None}, "Expected architectures to name a class .* got none. Pass"),
            ({"architectures": ["BertForMultipleChoice"]}, "got BertForMultipleChoice. Pass task"),
            ({"architectures": ["BertModel"]}, "with a head of BERT, got BertModel. Pass task=..."),
            ({"model_type": "t5"}, "Expected a family with task heads, got T5"),
            ({"architectures": ["ElectraForPreTraining"], "model_type": "electra"}, "of ELECTRA"),
        ],
    )
    def test_a_wrong_configuration(self, changes, message):
        with pytest.raises(ValueError, match=message):
            build_task_model({**CLASSIFIER, **changes})

    @pytest.mark.parametrize(
        "options, error, message",
        [
            ({"task": "ner"}, ValueError, "Expected task to be one of 'text-classification'"),
            ({"task": "fill-mask"}, ValueError, "to be 'text-classification', as architectures"),
            ({"labels": "ab"}, TypeError, "Expected labels to be a list of str, got 'ab'"),
            ({"labels": []}, ValueError, "Expected labels to hold distinct names .* got none"),
            ({"labels": ["a", "a"]}, ValueError, "Expected labels to hold .* got 'a' more than"),
            ({"problem_type": "x"}, ValueError, "Expected problem_type to be one of"),
            ({"new_head": 2}, TypeError, "Expected new_head to be True or False, got 2"),
            ({"with_mlm": True}, TypeError, "build_task_model takes no argument 'with_mlm'"),
        ],
    )
    def test_wrong_arguments(self, options, error, message):
        with pytest.raises(error, match=message):
            build_task_model(CLASSIFIER, **options)

    def test_a_pooling_that_modernbert_does_not_have(self):
        config = case_of("ModernBertForSequenceClassification")[0]
        with pytest.raises(ValueError, match="Expected classifier_pooling to be one of 'cls', 'm"):
            build_task_model({**config, "classifier_pooling": "max"})

    def test_a_classifier_on_the_last_token_needs_a_padding_id(self):
        config = {**case_of("LlamaForSequenceClassification")[0], "pad_token_id": None}
        with pytest.raises(
            ValueError, match="Expected a pad_token_id, got None.* Pass pad_token_id"
        ):
            build_task_model(config)
        assert build_task_model(config, pad_token_id=0).model.output_shape == (None, 3)

    def test_text_generation_needs_a_causal_model(self):
        with pytest.raises(ValueError, match="Expected a causal model for text-generation, got BE"):
            build_task_model(SIZES, task="text-generation")
        for options in ({"application": "lm"}, {"folder_or_config": {**SIZES, "is_decoder": True}}):
            arguments = {"folder_or_config": SIZES, "task": "text-generation", **options}
            assert build_task_model(**arguments).transformer.mask_kind == "causal"

    def test_a_folder_without_the_head_of_pretraining(self, folder):
        config = {**SIZES, "architectures": ["BertForMaskedLM"]}
        message = "no head for fill-mask: `cls/predictions/transform/dense/kernel`, .* pretrained"
        with pytest.raises(ValueError, match=message):
            build_task_model(config, folder / "model.safetensors")

    def test_a_file_with_other_names_is_explained_by_its_names(self, folder):
        with open_checkpoint(folder) as checkpoint:
            tensors = {f"module.{name}": checkpoint[name] for name in checkpoint}
        with pytest.raises(ValueError, match="Their names begin with `module.`"):
            build_task_model(folder / "config.json", tensors)

    def test_problem_type_of_a_task_without_one(self):
        options = {"task": "token-classification", "problem_type": "regression"}
        with pytest.raises(ValueError, match="Expected no problem_type for token-classification"):
            build_task_model(SIZES, **options)

    def test_labels_of_a_task_without_labels(self):
        with pytest.raises(ValueError, match="Expected no labels for fill-mask, got"):
            build_task_model(SIZES, task="fill-mask", labels=["a"])


class TestDropout:
    def rates(self, config=CLASSIFIER, **settings):
        model = build_task_model({**config, **settings}).model
        return [x.rate for x in model.layers if "Classifier" in x.name and "Dropout" in x.name]

    @pytest.mark.parametrize(
        "name, settings, rates",
        [
            ("AlbertForSequenceClassification", {}, [0.1]),
            ("AlbertForTokenClassification", {"classifier_dropout_prob": 0.3}, [0.3]),
            ("DistilBertForSequenceClassification", {}, [0.2]),
            ("DistilBertForTokenClassification", {"dropout": 0.3}, [0.3]),
            ("RobertaForSequenceClassification", {"classifier_dropout": 0.3}, [0.3, 0.3]),
            ("RoFormerForSequenceClassification", {"classifier_dropout": 0.3}, [0.1, 0.1]),
            ("DebertaV2ForSequenceClassification", {"cls_dropout": 0.3}, [0.3]),
            ("ModernBertForTokenClassification", {"classifier_dropout": 0.3}, [0.3]),
            ("LlamaForTokenClassification", {}, [0.1]),
            ("LlamaForTokenClassification", {"hidden_dropout": 0.3}, [0.3]),
            ("GPT2ForTokenClassification", {"classifier_dropout": 0.3}, [0.3]),
        ],
    )
    def test_each_family_has_its_key(self, name, settings, rates):
        assert self.rates(case_of(name)[0], **settings) == rates

    def test_it_is_written_again(self, tmp_path):
        config = {**CLASSIFIER, "classifier_dropout": 0.3}
        build_task_model(config).save_pretrained(tmp_path)
        assert json.loads((tmp_path / "config.json").read_text())["classifier_dropout"] == 0.3

    def test_the_rate_is_that_of_the_configuration(self):
        assert self.rates(classifier_dropout=0.3, hidden_dropout_prob=0.0) == [0.3]
        assert self.rates(classifier_dropout=None, hidden_dropout_prob=0.2) == [0.2]
        assert self.rates(classifier_dropout=0.0, hidden_dropout_prob=0.2) == []


def test_weights_may_be_given_as_arrays(folder):
    with open_checkpoint(folder / "model.safetensors") as checkpoint:
        tensors = {name: checkpoint[name] for name in checkpoint}
    want = logits_of(build_task_model(folder))
    shutil.move(folder / "config.json", folder / "other.json")
    assert_close(logits_of(build_task_model(folder / "other.json", tensors)), want, 0)


OWN_FAMILIES = ["nezha", "roformer_v2", "gau_alpha", "albert_unshared"]  # not in transformers


@pytest.mark.parametrize("model_type", OWN_FAMILIES)
@pytest.mark.parametrize("task", ["text-classification", "question-answering", "fill-mask"])
def test_a_family_of_our_own_has_folders_of_its_own(model_type, task, tmp_path):
    model = build_task_model({**SIZES, "model_type": model_type}, task=task)
    randomize_weights(model).save_pretrained(tmp_path)
    copy = build_task_model(tmp_path)
    assert copy.task == task
    assert_close(logits_of(copy), logits_of(model), 0)


def test_a_causal_model_of_our_own_has_a_folder(tmp_path):
    config = {**SIZES, "model_type": "gpt2_ml"}
    model = build_task_model(config, task="text-classification", labels=["a", "b"])
    randomize_weights(model).save_pretrained(tmp_path)
    assert_close(logits_of(build_task_model(tmp_path)), logits_of(model), 0)


@pytest.mark.parametrize("name", ["BertForSequenceClassification", "LlamaForTokenClassification"])
def test_logits_are_float32_in_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    config, tensors, (want, _) = case_of(name)
    model = build_task_model(config, tensors).model
    assert model.output.dtype == "float32"


def test_a_step_of_training_changes_head_and_model(folder):
    model = build_task_model(folder).model
    layers = [model.get_layer(x) for x in ("Classifier", "Pooler-Dense", "Embedding-Token")]
    before = [layer.get_weights()[0] for layer in layers]
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch([IDS, 0 * IDS], np.array([0, 2]))
    for layer, kernel in zip(layers, before, strict=True):
        assert np.abs(layer.get_weights()[0] - kernel).max() > 0


def test_padding_changes_no_logits(folder):
    model = build_task_model(folder)
    row = logits_of(model, np.array([[5, 3]]))
    assert_close(logits_of(model)[1:], row, 1e-6)
