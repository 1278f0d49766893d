import keras
import numpy as np
import pytest
from keras import ops
from pipelines.toy import (
    CHARACTERS,
    CONFIG,
    ODD_CHARACTERS,
    TOKENS,
    make_texts,
    make_tokenizer,
)

from bert4keras.backend import batch_gather
from bert4keras.layers import EfficientGlobalPointer, Embedding
from bert4keras.models import build_transformer_model
from bert4keras.pipelines import RelationExtractor, TextClassifier, as_spo, load_pipeline
from bert4keras.pipelines.half_pointers import find_spans

PREDICATES = ["author", "city"]
# 天 starts a subject, 地 ends one; 玄 is an author and 黄宙 a city, of subjects that start with 天.
FEATURES = ["key", "start", "end", "author", "author_end", "city", "city_end"]
MARKS = {"天": {"key", "start"}, "地": {"end"}, "玄": {"author", "author_end"}, "黄": {"city"}}
MARKS |= {"宙": {"city_end"}, "宇": {"start", "end"}}


def make_vectors(high=0.9, low=0.1):
    vectors = np.full((len(TOKENS), len(FEATURES)), low)
    for token, marks in MARKS.items():
        vectors[TOKENS.index(token), [FEATURES.index(mark) for mark in marks]] = high
    vectors[2:4] = high  # special tokens are never part of a triple
    return vectors


def embed(vectors):
    ids, segments = (keras.Input((None,), dtype="int32") for _ in range(2))
    table = Embedding(*vectors.shape, mask_zero=True)
    output = table(ids)
    table.set_weights([vectors.astype("float32")])
    return [ids, segments], output


@pytest.fixture(scope="module")
def half_pointers():
    inputs, x = embed(make_vectors())
    model = keras.Model(inputs, [x[..., 1:3], x])
    vectors, subject = keras.Input((None, len(FEATURES))), keras.Input((2,), dtype="int32")
    key = batch_gather(vectors, subject)[:, :1, :1]
    pointers = keras.layers.Reshape((-1, 2, 2))(ops.minimum(vectors[..., 3:], key))
    object_model = keras.Model([vectors, subject], pointers)
    return RelationExtractor(model, make_tokenizer(), PREDICATES, object_model)


@pytest.fixture(scope="module")
def gplinker():
    inputs, x = embed(make_vectors(high=2.0, low=-2.0))

    def link(first, second):
        first, second = (FEATURES.index(name) for name in (first, second))
        return ops.minimum(x[:, :, None, first], x[:, None, :, second])

    spans = ops.stack(
        [link("start", "end"), ops.maximum(link("author", "author_end"), link("city", "city_end"))],
        1,
    )
    heads = ops.stack([link("key", name) for name in PREDICATES], 1)
    tails = ops.stack([link("end", f"{name}_end") for name in PREDICATES], 1)
    return RelationExtractor(
        keras.Model(inputs, [spans, heads, tails]), make_tokenizer(), PREDICATES
    )


@pytest.fixture(params=["half_pointers", "gplinker"])
def extract(request):
    return request.getfixturevalue(request.param)


def list_triples(records):
    return [(x["subject"]["text"], x["predicate"], x["object"]["text"]) for x in records]


class TestRecords:
    def test_triples_have_their_places(self, extract):
        text = "玄，天x地 黄宙"
        records = extract(text)
        assert list_triples(records) == [("天x地", "author", "玄"), ("天x地", "city", "黄宙")]
        for record in records:
            for part in (record["subject"], record["object"]):
                assert text[part["start"] : part["end"]] == part["text"]
            assert record["score"] == pytest.approx(0.9, abs=0.02)

    def test_a_subject_without_objects_gives_nothing(self, extract):
        assert extract(["天地", "宇玄", "玄黄宙", "日"]) == [[], [], [], []]

    def test_subjects_have_their_own_objects(self, half_pointers):
        assert list_triples(half_pointers("宇天地玄")) == [("天地", "author", "玄")]

    def test_a_threshold_decides(self, extract):
        assert extract("天地玄", threshold=0.95) == []
        assert list_triples(extract("天地玄", threshold=0.8)) == [("天地", "author", "玄")]

    def test_batches_and_order_change_nothing(self, extract):
        texts = make_texts(40, characters=CHARACTERS[:6])
        records = extract(texts)
        assert sum(map(len, records)) > 50
        assert extract(texts, batch_tokens=40) == records
        assert extract(texts[::-1], buffer_size=7)[::-1] == records

    def test_offsets_hold_for_odd_characters(self, extract):
        texts = make_texts(100, seed=1, characters=ODD_CHARACTERS + "天地玄黄宙" * 3)
        records = extract(texts)
        assert sum(map(len, records)) > 50
        for text, row in zip(texts, records):
            for record in row:
                for part in (record["subject"], record["object"]):
                    assert text[part["start"] : part["end"]] == part["text"] != ""

    def test_windows_find_what_the_whole_text_has(self, extract):
        text = "日月" * 10 + "天地玄" + "日月" * 10
        assert extract(text, truncate=True) == extract(text)
        windows = RelationExtractor(
            extract.model,
            extract.tokenizer,
            PREDICATES,
            extract.object_model,
            maxlen=12,
            truncate="windows",
        )
        assert windows(text) == extract(text)
        with pytest.raises(ValueError, match=r"Expected texts\[0\] to have at most 12 tokens"):
            windows(text, truncate=False)

    def test_the_form_of_lic2019_has_each_triple_once(self, extract):
        spo = [{"subject": "天地", "predicate": "author", "object": "玄"}]
        assert as_spo(extract("天地玄") * 2) == spo

    def test_its_folder_gives_equal_records(self, extract, tmp_path):
        extract.save(tmp_path)
        reopened_pipeline = load_pipeline(tmp_path)
        texts = make_texts(20, characters=CHARACTERS[:6])
        assert reopened_pipeline(texts) == extract(texts)
        assert reopened_pipeline.get_config() == extract.get_config()


class TestScores:
    samples = [("天地玄", [("天地", "author", "玄")]), ("天地黄宙", [("天地", "author", "黄宙")])]

    def test_evaluate_compares_triples_as_texts(self, extract):
        scores = extract.evaluate(self.samples)
        assert (scores["f1"], scores["precision"], scores["recall"]) == (0.5, 0.5, 0.5)

    def test_find_threshold_gives_the_best(self, extract):
        best = extract.find_threshold(self.samples[:1], thresholds=(0.8, 0.95))
        assert (best["threshold"], best["f1"]) == (0.8, 1.0)
        assert extract.threshold is None


class TestFindSpans:
    def test_a_start_takes_the_nearest_end_that_does_not_stand_before_it(self):
        pointers = np.array([[0.1, 0.9], [0.7, 0.1], [0.8, 0.9], [0.1, 0.8]])
        spans = find_spans(pointers, [(i, i + 1) for i in range(4)])
        assert list(spans) == [(1, 2, 0.7), (2, 2, 0.8)]

    def test_starts_and_ends_have_the_thresholds_of_the_article(self):
        pointers = np.array([[0.59, 0.0], [0.61, 0.0], [0.0, 0.49], [0.0, 0.51]])
        assert [x[:2] for x in find_spans(pointers, [(i, i + 1) for i in range(4)])] == [(1, 3)]


class TestErrors:
    def test_predicates_are_those_of_the_outputs(self, extract):
        models = extract.model, extract.tokenizer
        with pytest.raises(ValueError, match="Expected .*model to have outputs of the shapes"):
            RelationExtractor(*models, ["a", "b", "c"], extract.object_model)
        with pytest.raises(ValueError, match="Expected 2 different predicates"):
            RelationExtractor(*models, ["a", "a"], extract.object_model)

    def test_a_model_of_half_pointers_needs_the_model_of_objects(self, half_pointers):
        with pytest.raises(ValueError, match="Expected model to have outputs of the shapes"):
            RelationExtractor(half_pointers.model, half_pointers.tokenizer, PREDICATES)

    def test_pointers_are_probabilities(self, half_pointers):
        inputs, x = embed(make_vectors(high=3.0))
        model = keras.Model(inputs, [x[..., 1:3], x])
        parts = half_pointers.tokenizer, PREDICATES, half_pointers.object_model
        with pytest.raises(ValueError, match="Expected the pointers of the model to be probab"):
            RelationExtractor(model, *parts)("天地玄")

    def test_a_folder_of_another_task(self, extract, tmp_path):
        extract.save(tmp_path)
        with pytest.raises(ValueError, match="Expected a pipeline of the task text-classification"):
            TextClassifier.load(tmp_path)


def test_global_pointers_of_a_bert_become_a_folder(tmp_path):
    bert = build_transformer_model(CONFIG)
    options = {"head_size": 4, "RoPE": False, "tril_mask": False}
    pointers = [EfficientGlobalPointer(heads=2, head_size=4)]
    pointers += [EfficientGlobalPointer(heads=2, **options) for _ in range(2)]
    model = keras.Model(bert.inputs, [pointer(bert.output) for pointer in pointers])
    extract = RelationExtractor(model, make_tokenizer(), PREDICATES, threshold=0.3)
    extract.save(tmp_path)
    assert load_pipeline(tmp_path)("天地玄黄") == extract("天地玄黄")
