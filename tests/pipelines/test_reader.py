import keras
import numpy as np
import pytest
from pipelines.toy import (
    CONFIG,
    ODD_CHARACTERS,
    TOKENS,
    make_bert,
    make_table,
    make_texts,
    make_tokenizer,
)

from bert4keras.models import build_task_model
from bert4keras.pipelines import MaskReader, Reader, load_pipeline

QUESTION = "荒"


def make_reader(**options):
    """Return a reader whose answers go from 天 to 地, and from 玄 with less score."""
    logits = np.full((len(TOKENS), 2), -4.0)
    logits[TOKENS.index("天"), 0], logits[TOKENS.index("地"), 1] = 4, 4
    logits[TOKENS.index("玄")], logits[TOKENS.index("[CLS]")] = 2, 0
    return Reader(make_table(logits), make_tokenizer(), **options)


@keras.saving.register_keras_serializable("test_reader")
class PositionScores(keras.layers.Layer):
    """Gives each token the scores (L, V) of its position."""

    def __init__(self, scores, **kwargs):
        super().__init__(**kwargs)
        self.scores = scores

    def call(self, token_ids):
        zeros = keras.ops.cast(keras.ops.zeros_like(token_ids), "float32")
        scores = keras.ops.convert_to_tensor(self.scores, "float32")
        return zeros[..., None] + scores[: keras.ops.shape(token_ids)[1]]

    def compute_output_shape(self, shape):
        return (*shape, self.scores.shape[-1])


def make_slot_reader(slots, scores=None, **options):
    """Return a reader whose masks score the given tokens by 4, and the rest as given."""
    rows = np.zeros((64, len(TOKENS)))
    for token, score in (scores or {}).items():
        rows[:, TOKENS.index(token)] = score
    for i, token in enumerate(slots):
        rows[i + 1, TOKENS.index(token)] = 4
    ids, segments = (keras.Input((None,), dtype="int32") for _ in range(2))
    model = keras.Model([ids, segments], PositionScores(rows)(ids))
    settings = {"max_answer_len": len(slots), "from_logits": True, **options}
    return MaskReader(model, make_tokenizer(), **settings)


def make_mask_reader(seed=0, **options):
    model = make_bert(seed, with_mlm=True)
    bias = model.get_layer("MLM-Bias").weights[0]
    bias.assign(np.where(np.arange(len(TOKENS)) == TOKENS.index("[SEP]"), -3.0, bias))
    return MaskReader(model, make_tokenizer(), max_answer_len=3, **options)


@pytest.fixture(scope="module")
def reader():
    return make_reader()


@pytest.fixture(scope="module")
def task_model():
    config = {**CONFIG, "model_type": "bert"}
    task_model = build_task_model(config, task="question-answering")
    rng = np.random.default_rng(0)
    for weight in task_model.model.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return task_model


@pytest.fixture(scope="module")
def bert_reader(task_model):
    return Reader(task_model.model, make_tokenizer(), truncate="windows")


@pytest.fixture(scope="module")
def mask_reader():
    return make_mask_reader(truncate="windows")


@pytest.fixture(params=["bert_reader", "mask_reader"])
def read(request):
    return request.getfixturevalue(request.param)


def make_questions(count, seed=0, **options):
    """Return questions with a context, or with one to three passages."""
    texts = iter(make_texts(5 * count, seed, longest=30, **options))
    for i in range(count):
        question = next(texts)[:4].strip() or QUESTION
        if i % 2:
            yield {"question": question, "passages": [next(texts) for _ in range(1 + i % 3)]}
        else:
            yield {"question": question, "context": next(texts)}


def check_places(item, record):
    """Check that an answer is where the record says."""
    context = item["context"] if "context" in item else None
    if "passages" in item and record["text"]:
        context = item["passages"][record["passage"]]
    if record["text"]:
        assert context[record["start"] : record["end"]] == record["text"]
    else:
        assert record["start"] == record["end"] == 0


class TestReader:
    def test_answers_have_their_places(self, reader):
        context = "日，天x地 玄"
        record = reader({"question": QUESTION, "context": context})
        assert (record["text"], record["start"], record["end"]) == ("天x地", 2, 5)
        assert record["score"] == pytest.approx(0.75, abs=0.01)
        assert reader((QUESTION, context)) == reader([[QUESTION, context]])[0] == record

    def test_the_score_is_a_probability_of_start_times_end(self, reader):
        record = reader((QUESTION, "日玄"))
        weights = np.exp([0, -4, 2])  # [CLS] 日 玄
        assert record["score"] == pytest.approx((weights / weights.sum())[2] ** 2, rel=1e-5)

    def test_top_k_gives_the_best_first(self, reader):
        records = reader((QUESTION, "玄日天地"), top_k=3)
        assert [x["text"] for x in records] == ["天地", "玄日天地", "玄"]
        assert reader((QUESTION, "玄"), top_k=3) == [reader((QUESTION, "玄"))]

    def test_an_answer_has_at_most_max_answer_len_tokens(self, reader):
        record = reader((QUESTION, "天日日日地"), max_answer_len=4)
        assert 0 < len(record["text"]) <= 4

    def test_no_answer_competes(self, reader):
        empty = reader((QUESTION, "日月日月"), handle_impossible_answer=True)
        score = 1 / (1 + 4 * np.exp(-4)) ** 2
        assert empty == {"text": "", "start": 0, "end": 0, "score": pytest.approx(score)}
        assert reader((QUESTION, "日月日月"))["text"] != ""
        assert reader((QUESTION, "日玄"), handle_impossible_answer=True)["text"] == "玄"

    def test_a_threshold_decides(self, reader):
        assert reader((QUESTION, "日玄"), threshold=0.99)["text"] == ""
        assert reader((QUESTION, "日玄"), threshold=0.1)["text"] == "玄"

    def test_passages_vote(self, reader):
        passages = ["天地", "日玄", "月玄", "日玄", "月玄"]
        record = reader({"question": QUESTION, "passages": passages})
        assert (record["text"], record["passage"], record["start"]) == ("玄", 1, 1)
        record = reader({"question": QUESTION, "passages": passages[:2]})
        assert (record["text"], record["passage"]) == ("天地", 0)

    def test_passages_without_answer_have_no_vote(self, reader):
        item = {"question": QUESTION, "passages": ["日月", "日月", "日玄"]}
        assert reader(item, handle_impossible_answer=True)["text"] == "玄"
        item = {"question": QUESTION, "passages": ["日月", "月日"]}
        record = reader(item, handle_impossible_answer=True)
        assert (record["text"], record["passage"]) == ("", None)

    def test_windows_find_what_the_whole_context_has(self):
        read = make_reader(maxlen=12)
        context = "日月" * 10 + "天月地" + "日月" * 10
        record = read((QUESTION, context), truncate="windows")
        assert (record["text"], record["start"]) == ("天月地", 20)
        records = read((QUESTION, context), truncate="windows", top_k=50)
        places = [(x["start"], x["end"]) for x in records]
        assert len(places) == len(set(places)) == 50

    def test_answers_are_whole_words(self):
        tokens = [*TOKENS, "x", "##y"]
        logits = np.full((len(tokens), 2), -4.0)
        logits[len(TOKENS)] = 4
        tokenizer = type(make_tokenizer())({token: i for i, token in enumerate(tokens)})
        read = Reader(make_table(logits), tokenizer)
        assert read((QUESTION, "天 xy 地"))["text"] == "xy"
        read = Reader(make_table(logits), tokenizer, align_to_words=False)
        assert read((QUESTION, "天 xy 地"))["text"] == "x"

    def test_a_folder_of_hugging_face_gives_equal_records(self, bert_reader, task_model, tmp_path):
        task_model.save_pretrained(tmp_path / "reader", make_tokenizer())
        copy = load_pipeline(tmp_path / "reader", truncate="windows")
        items = list(make_questions(8))
        assert type(copy) is Reader
        assert [x["text"] for x in copy(items)] == [x["text"] for x in bert_reader(items)]


class TestMaskReader:
    def test_masks_become_an_n_gram_of_the_passage(self):
        read = make_slot_reader(["天", "地", "[SEP]"], {"玄": 0.3})
        record = read((QUESTION, "天玄 天地日"))
        assert (record["text"], record["start"], record["end"]) == ("天地", 3, 5)
        assert read((QUESTION, "玄月天"))["text"] == "天"

    def test_the_score_is_the_mean_probability(self):
        record = make_slot_reader(["天", "[SEP]", "[SEP]"])((QUESTION, "日天"))
        score = np.exp(4) / (np.exp(4) + len(TOKENS) - 1)
        assert (record["text"], record["score"]) == ("天", pytest.approx(score))

    def test_passages_without_answer_have_no_vote(self):
        read = make_slot_reader(["[SEP]", "[SEP]", "[SEP]"], {"玄": 5.0})
        passages = ["天地", "天地", "月玄"]
        record = read({"question": QUESTION, "passages": passages})
        assert (record["text"], record["passage"]) == ("玄", 2)
        record = read({"question": QUESTION, "passages": passages[:2]})
        assert (record["text"], record["start"], record["passage"]) == ("", 0, None)
        total = np.exp(4) + np.exp(5) + len(TOKENS) - 2
        assert record["score"] == pytest.approx(np.exp(4) / total)

    def test_the_head_at_the_masks_is_that_of_the_model(self, mask_reader):
        ids = np.random.default_rng(0).integers(5, len(TOKENS), (2, 9))
        inputs = [ids, np.zeros_like(ids)]
        (slots,) = mask_reader.programs["model"](*inputs)
        outputs = keras.ops.convert_to_numpy(mask_reader.model(inputs))
        np.testing.assert_allclose(slots, outputs[:, 1:4], atol=1e-5)

    def test_windows_find_what_the_whole_context_has(self):
        read = make_slot_reader(["天", "地", "[SEP]"], maxlen=16)
        record = read((QUESTION, "日月" * 10 + "天地" + "日月" * 10), truncate="windows")
        assert (record["text"], record["start"]) == ("天地", 20)

    def test_a_tokenizer_without_mask_is_refused(self):
        tokenizer = type(make_tokenizer())(
            {token: i for i, token in enumerate(TOKENS) if token != "[MASK]"}
        )
        with pytest.raises(ValueError, match="Expected tokenizer to have a mask token"):
            MaskReader(make_bert(with_mlm=True), tokenizer)


class TestBothReaders:
    def test_batches_and_order_change_nothing(self, read):
        items = list(make_questions(12))
        records = read(items)
        for options in ({"batch_tokens": 40}, {"batch_tokens": 10000, "buffer_size": 7}):
            new_records = read(items[::-1], **options)[::-1]
            scores = [[x.pop("score") for x in map(dict, rows)] for rows in (new_records, records)]
            np.testing.assert_allclose(*scores, atol=1e-4)
            assert [x["text"] for x in new_records] == [x["text"] for x in records]

    def test_offsets_hold_for_odd_characters(self, read):
        items = list(make_questions(100, 1, characters=ODD_CHARACTERS + "天地玄黄" * 3))
        records = read(items)
        assert sum(bool(record["text"]) for record in records) > 40
        for item, record in zip(items, records):
            check_places(item, record)

    def test_a_folder_gives_equal_records(self, read, tmp_path):
        items = list(make_questions(8))
        read.save(tmp_path / "reader")
        copy = load_pipeline(tmp_path / "reader")
        assert type(copy) is type(read) and copy.get_config() == read.get_config()
        assert copy(items) == read(items)

    def test_a_folder_of_another_task_is_refused(self, reader, tmp_path):
        reader.save(tmp_path / "reader")
        with pytest.raises(ValueError, match="Expected a pipeline of the task masked-question"):
            MaskReader.load(tmp_path / "reader")

    def test_a_long_context_is_refused_unless_it_may_be_cut(self, read):
        item = {"question": QUESTION, "context": "天" * 40}
        with pytest.raises(ValueError, match=r"Expected texts\[0\] to have at most 24 tokens"):
            read([item], truncate=False)
        check_places(item, read(item, truncate=True))

    def test_a_long_question_is_refused(self, read):
        with pytest.raises(ValueError, match=r"Expected the question of texts\[1\] to leave room"):
            read([(QUESTION, "天"), (QUESTION * 30, "天")])

    @pytest.mark.parametrize("text", [None, float("nan"), 3, "", " \n"])
    def test_a_context_without_characters_is_refused(self, read, text):
        with pytest.raises((TypeError, ValueError), match=r"Expected the context of texts\[0\] to"):
            read([(QUESTION, text)])
        with pytest.raises((TypeError, ValueError), match=r"Expected passage 1 of texts\[0\] to"):
            read([{"question": QUESTION, "passages": ["天", text]}])
        with pytest.raises(
            (TypeError, ValueError), match=r"Expected the question of texts\[0\] to"
        ):
            read([(text, "天")])

    @pytest.mark.parametrize("item", ["天", {"question": QUESTION}, ("天",), None])
    def test_a_question_without_context_is_refused(self, read, item):
        with pytest.raises((TypeError, ValueError), match=r"to be a question and what to read"):
            read([item])

    @pytest.mark.parametrize("passages", [[], "天地", None, 3])
    def test_passages_that_are_no_list_are_refused(self, read, passages):
        with pytest.raises(ValueError, match=r"Expected the passages of texts\[0\] to be a list"):
            read([{"question": QUESTION, "passages": passages}])

    def test_a_model_of_another_output_is_refused(self, read):
        with pytest.raises(ValueError, match="Expected model to have outputs of the shapes"):
            type(read)(make_bert(with_nsp=True), make_tokenizer())


SAMPLES = [
    {"id": "1", "question": QUESTION, "context": "天地", "answers": [{"text": "天地", "start": 0}]},
    {"question": QUESTION, "context": "日玄", "answers": [{"text": "日", "start": 0}]},
    {"question": QUESTION, "context": "日月", "answers": []},
    {
        "question": QUESTION,
        "passages": ["天地", "日"],
        "answers": ["天地"],
        "passage_answers": [["天地"], []],
    },
]


class TestScores:
    def test_evaluate_counts_questions_without_answer(self, reader):
        scores = reader.evaluate(SAMPLES)
        assert scores == {"exact_match": 0.5, "f1": 0.5}
        scores = reader.evaluate(SAMPLES, handle_impossible_answer=True)
        assert scores == {"exact_match": 0.75, "f1": 0.75}

    def test_find_threshold_leaves_out_wrong_answers(self, reader):
        best = reader.find_threshold(SAMPLES[:3])
        assert (best["precision"], best["recall"]) == (1.0, 0.5)
        scores = reader.evaluate(SAMPLES[:3], threshold=best["threshold"])
        assert scores["exact_match"] == pytest.approx(2 / 3)

    def test_samples_without_answers_are_refused(self, reader):
        with pytest.raises(ValueError, match=r"Expected samples\[0\] to be a dict with a question"):
            reader.evaluate([(QUESTION, "天")])
