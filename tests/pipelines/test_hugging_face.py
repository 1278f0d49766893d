"""Folders of Hugging Face with heads for tasks: equal to ``transformers.pipeline``."""

import json

import keras
import numpy as np
import pytest
from pipelines.toy import CONFIG, make_texts, make_tokenizer

from bert4keras.models import build_task_model
from bert4keras.pipelines import (
    EntityRecognizer,
    MaskFiller,
    PairScorer,
    TextClassifier,
    TextWriter,
    load_pipeline,
)

TEXTS = make_texts(12)


def write_folder(folder, architecture, labels=None, problem_type=None, **settings):
    """Write a small BERT with random weights, the head of a task, and its tokenizer."""
    config = {**CONFIG, "model_type": "bert", "architectures": [architecture], **settings}
    task_model = build_task_model(config, labels=labels, problem_type=problem_type)
    rng = np.random.default_rng(0)
    for weight in task_model.model.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    task_model.save_pretrained(folder, tokenizer=make_tokenizer())
    return task_model


class TestLoadPipeline:
    def test_a_classifier_has_its_labels(self, tmp_path):
        write_folder(tmp_path, "BertForSequenceClassification", ["bad", "good", "odd"])
        classify = load_pipeline(tmp_path)
        assert type(classify) is TextClassifier
        assert (classify.labels, classify.is_multi_label) == (["bad", "good", "odd"], False)
        scores = [record["score"] for record in classify("天地", top_k=3)]
        assert sum(scores) == pytest.approx(1, abs=1e-6)

    def test_several_labels_are_decided_alone(self, tmp_path):
        kind = "multi_label_classification"
        write_folder(tmp_path, "BertForSequenceClassification", ["a", "b"], kind)
        assert load_pipeline(tmp_path).is_multi_label
        assert load_pipeline(tmp_path, threshold=0.0)("天地")[1]["score"] > 0

    @pytest.mark.parametrize("kind, activation", [("regression", "linear"), (None, "sigmoid")])
    def test_one_logit_scores_pairs(self, tmp_path, kind, activation):
        write_folder(tmp_path, "BertForSequenceClassification", ["score"], kind)
        score = load_pipeline(tmp_path)
        assert (type(score), score.activation) == (PairScorer, activation)
        ids, segments = make_tokenizer().encode("天", "地")
        output = score.model([np.array([ids]), np.array([segments])])
        logit = float(keras.ops.convert_to_numpy(output)[0, 0])
        value = logit if kind else 1 / (1 + np.exp(-logit))
        assert score(("天", "地"))["score"] == pytest.approx(value, abs=1e-5)

    def test_next_sentences_are_pairs(self, tmp_path):
        write_folder(tmp_path, "BertForNextSentencePrediction")
        score = load_pipeline(tmp_path)
        assert score(("天", "地"))["label"] in ("next", "not_next")

    def test_tags_make_entities(self, tmp_path):
        labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
        write_folder(tmp_path, "BertForTokenClassification", labels)
        recognize = load_pipeline(tmp_path)
        assert (type(recognize), recognize.get_config()["scheme"]) == (EntityRecognizer, "BIO")
        text = "天地玄黄宇宙洪荒"
        for record in recognize(text):
            assert text[record["start"] : record["end"]] == record["text"]

    def test_labels_that_are_no_tags_are_types(self, tmp_path):
        write_folder(tmp_path, "BertForTokenClassification", ["LABEL_0", "LABEL_1"])
        assert {x["type"] for x in load_pipeline(tmp_path)("天地玄")} <= {"LABEL_0", "LABEL_1"}

    def test_masks_are_filled(self, tmp_path):
        write_folder(tmp_path, "BertForMaskedLM")
        assert type(load_pipeline(tmp_path)) is MaskFiller
        assert len(load_pipeline(tmp_path)("天[MASK]")) == 5

    def test_a_language_model_writes(self, tmp_path):
        write_folder(tmp_path, "BertLMHeadModel", is_decoder=True)
        write = load_pipeline(tmp_path, generation={"max_new_tokens": 3})
        assert type(write) is TextWriter
        assert len(write("天")["generated_text"]) <= 3

    def test_what_it_opens_can_be_saved_as_a_pipeline(self, tmp_path):
        write_folder(tmp_path / "old", "BertForSequenceClassification", ["bad", "good"])
        classify = load_pipeline(tmp_path / "old")
        classify.save(tmp_path / "new")
        assert load_pipeline(tmp_path / "new")(TEXTS) == classify(TEXTS)


class TestErrors:
    def test_a_folder_without_a_task(self, tmp_path):
        write_folder(tmp_path, "BertForMaskedLM")
        path = tmp_path / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps({**config, "architectures": ["BertModel"]}))
        with pytest.raises(ValueError, match="BertModel"):
            load_pipeline(tmp_path)

    def test_a_folder_without_tokenizer(self, tmp_path):
        write_folder(tmp_path, "BertForMaskedLM")
        for name in ("vocab.txt", "tokenizer_config.json"):
            (tmp_path / name).unlink()
        with pytest.raises(FileNotFoundError, match="tokenizer"):
            load_pipeline(tmp_path)

    def test_labels_that_do_not_match_the_head(self, tmp_path):
        write_folder(tmp_path, "BertForSequenceClassification", ["bad", "good"])
        path = tmp_path / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps({**config, "id2label": {"0": "a", "1": "b", "2": "c"}}))
        with pytest.raises(ValueError, match="labels|shape"):
            load_pipeline(tmp_path)


class TestBesideTransformers:
    """Records are equal to those of ``transformers.pipeline`` to 1e-4."""

    @pytest.fixture(autouse=True)
    def transformers(self):
        pytest.importorskip("torch", reason="needs the bench extra")
        self.library = pytest.importorskip("transformers", reason="needs the bench extra")

    def open(self, folder, task):
        """Return both pipelines of a folder; the tokenizer of transformers is WordPiece too."""
        return load_pipeline(folder), self.library.pipeline(task, str(folder))

    def test_labels_of_texts_and_pairs(self, tmp_path):
        write_folder(tmp_path, "BertForSequenceClassification", ["bad", "good", "odd"])
        pipeline, peer = self.open(tmp_path, "text-classification")
        for record, wanted_record in zip(pipeline(TEXTS), peer(TEXTS), strict=True):
            assert record["label"] == wanted_record["label"]
            assert record["score"] == pytest.approx(wanted_record["score"], abs=1e-4)
        pair = {"text": "天地", "text_pair": "玄黄"}
        records, wanted_records = pipeline(pair, top_k=3), peer(pair, top_k=None)
        assert [x["label"] for x in records] == [x["label"] for x in wanted_records]
        np.testing.assert_allclose(
            [x["score"] for x in records], [x["score"] for x in wanted_records], atol=1e-4
        )

    def test_several_labels(self, tmp_path):
        kind = "multi_label_classification"
        write_folder(tmp_path, "BertForSequenceClassification", ["a", "b"], kind)
        pipeline, peer = self.open(tmp_path, "text-classification")
        for text in TEXTS[:3]:
            records, wanted_records = pipeline(text, top_k=2), peer(text, top_k=None)
            scores = {x["label"]: x["score"] for x in wanted_records}
            assert {x["label"]: x["score"] for x in records} == pytest.approx(scores, abs=1e-4)

    @pytest.mark.parametrize("aggregation", ["simple", "first", "average", "max"])
    def test_entities(self, tmp_path, aggregation):
        labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
        write_folder(tmp_path, "BertForTokenClassification", labels)
        pipeline = load_pipeline(tmp_path, aggregation=aggregation)
        peer = self.library.pipeline(
            "token-classification", str(tmp_path), aggregation_strategy=aggregation
        )
        num_records = 0
        for text in TEXTS:
            records, wanted_records = pipeline(text), peer(text)
            num_records += len(records)
            assert [(x["type"], x["start"], x["end"]) for x in records] == [
                (x["entity_group"], x["start"], x["end"]) for x in wanted_records
            ]
            np.testing.assert_allclose(
                [x["score"] for x in records], [x["score"] for x in wanted_records], atol=1e-4
            )
        assert num_records > 5

    @pytest.mark.parametrize("text", ["天[MASK]玄", "[MASK]地玄黄[MASK]"])
    def test_masks(self, tmp_path, text):
        write_folder(tmp_path, "BertForMaskedLM")
        pipeline, peer = self.open(tmp_path, "fill-mask")
        rows = [[x] if isinstance(x, dict) else x for x in pipeline(text)]
        wanted_rows = [[x] if isinstance(x, dict) else x for x in peer(text)]
        for row, wanted_row in zip(rows, wanted_rows, strict=True):
            for record, wanted_record in zip(row, wanted_row, strict=True):
                assert record["token"] == wanted_record["token"]
                assert record["token_str"] == wanted_record["token_str"]
                assert record["score"] == pytest.approx(wanted_record["score"], abs=1e-4)
