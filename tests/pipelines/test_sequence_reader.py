import keras
import numpy as np
import pytest
from pipelines.toy import CONFIG, ODD_CHARACTERS, TOKENS, make_bert, make_texts, make_tokenizer

from bert4keras.models import build_transformer_model
from bert4keras.pipelines import Reader, SequenceReader, load_pipeline

QUESTION = "荒"


def make_reader(end_bias=-1.0, **options):
    """Return a reader with a random UniLM, whose answers are shorter with more ``end_bias``."""
    keras.utils.set_random_seed(0)
    model = build_transformer_model(
        {**CONFIG, "max_position_embeddings": 40}, application="unilm", with_mlm="linear"
    )
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    bias = model.get_layer("MLM-Bias").weights[0]
    bias.assign(np.where(np.arange(len(TOKENS)) == TOKENS.index("[SEP]"), end_bias, 0.0))
    return SequenceReader(model, make_tokenizer(), **{"max_answer_len": 5, **options})


@pytest.fixture(scope="module")
def read():
    return make_reader()


def make_questions(count, seed=0, **options):
    """Return questions with a context, or with one to three passages."""
    texts = iter(make_texts(5 * count, seed, longest=14, **options))
    for i in range(count):
        question = next(texts)[:4].strip() or QUESTION
        if i % 2:
            yield {"question": question, "passages": [next(texts) for _ in range(1 + i % 3)]}
        else:
            yield {"question": question, "context": next(texts)}


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def search(read, question, passages):
    """Return the best answer without a cache: beams that vote, of n-grams of the passages."""
    tokenizer, end_id = read.tokenizer, read.tokenizer.end_id
    asked_ids = tokenizer.encode(question)[0][1:]
    sources = [tokenizer.encode(text)[0] for text in passages]

    def compute(source, ids):
        row = np.array([[*source, *asked_ids, *ids]])
        segments = np.zeros_like(row)
        segments[:, len(source) + len(asked_ids) :] = 1
        return softmax(keras.ops.convert_to_numpy(read.model([row, segments]))[0, -1])

    sources = [source for source in sources if compute(source, []).argmax() != end_id]
    beams, results = [((), 0.0)], []
    for _ in range(read.max_answer_len if sources else 0):
        candidates = []
        for ids, score in beams:
            n = len(ids)
            allowed_ids = {end_id} | {
                source[i + n]
                for source in sources
                for i in range(1, len(source) - 1 - n)
                if tuple(source[i : i + n]) == ids
            }
            allowed_ids = sorted(allowed_ids)
            p = np.stack([compute(source, ids)[allowed_ids] for source in sources])
            p /= p.sum(-1, keepdims=True)
            p = (p**2).sum(0) / (p.sum(0) + 1)
            p = dict(zip(allowed_ids, np.log(p / p.sum())))
            candidates += [((*ids, token), score + p[token]) for token in allowed_ids]
        candidates.sort(key=lambda candidate: -candidate[1])
        results += [x for x in candidates[: 2 * read.num_beams] if x[0][-1] == end_id]
        beams = [x for x in candidates if x[0][-1] != end_id][: read.num_beams]
        if not beams:
            break
    results += beams
    best = max(results, key=lambda result: result[1], default=((), None))
    return [token for token in best[0] if token != end_id], best[1]


@pytest.mark.slow
def test_answers_are_those_of_a_search_without_cache(read):
    items = list(make_questions(6, seed=3))
    for item, record in zip(items, read(items)):
        ids, score = search(read, item["question"], item.get("passages") or [item["context"]])
        assert read.tokenizer.encode(record["text"] or "")[0][1:-1] == ids
        if score is not None:
            assert record["score"] == pytest.approx(np.exp(score), abs=1e-4)


@pytest.mark.slow
def test_batches_and_order_change_nothing(read):
    items = list(make_questions(6))
    records = read(items)
    assert sum(bool(record["text"]) for record in records) > 3
    new_records = read(items[::-1], batch_size=4, buffer_size=3)[::-1]
    assert [x["text"] for x in new_records] == [x["text"] for x in records]
    scores = [[x["score"] for x in rows] for rows in (records, new_records)]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_answers_have_their_places(read):
    items = list(make_questions(16, 1, characters=ODD_CHARACTERS + "天地玄黄" * 3))
    records = read(items)
    assert sum(bool(record["text"]) for record in records) > 6
    for item, record in zip(items, records):
        texts = item.get("passages") or [item["context"]]
        text = texts[record.get("passage") or 0]
        assert text[record["start"] : record["end"]] == record["text"]
        assert ("passage" in record) == ("passages" in item)


def test_passages_that_answer_nothing_have_no_vote():
    read = make_reader(end_bias=50.0)
    record = read({"question": QUESTION, "passages": ["天地", "玄"]})
    assert (record["text"], record["start"], record["passage"]) == ("", 0, None)
    assert record["score"] == pytest.approx(1.0, abs=1e-3)


def test_top_k_gives_the_best_first(read):
    records = read((QUESTION, "玄日天地"), top_k=2)
    assert len(records) == 2 and records[0] == read((QUESTION, "玄日天地"))
    assert records[0]["score"] >= records[1]["score"]
    with pytest.raises(ValueError, match="Expected top_k to be a whole number from 1 to 2"):
        read((QUESTION, "天"), top_k=3)


def test_a_threshold_decides(read):
    assert read((QUESTION, "玄日天地"), threshold=0.0)["text"] != ""
    assert read((QUESTION, "玄日天地"), threshold=1.0)["text"] == ""


def test_windows_are_passages_that_vote(read):
    context = "玄日天地黄宇" * 8
    record = read((QUESTION, context), truncate="windows")
    assert context[record["start"] : record["end"]] == record["text"] != ""
    with pytest.raises(ValueError, match=r"Expected texts\[0\] to have at most 33 tokens"):
        read([(QUESTION, context)])
    cut_record = read((QUESTION, context), truncate=True)
    assert cut_record["end"] <= 33


def test_a_long_question_is_refused(read):
    with pytest.raises(ValueError, match=r"Expected the question of texts\[0\] to leave room"):
        read([(QUESTION * 40, "天")])


@pytest.mark.parametrize("text", [None, float("nan"), 3, "", " \n"])
def test_a_context_without_characters_is_refused(read, text):
    with pytest.raises((TypeError, ValueError), match=r"Expected the context of texts\[0\] to"):
        read([(QUESTION, text)])


def test_a_text_in_place_of_questions_is_refused(read):
    with pytest.raises(TypeError, match="Expected texts to be an iterable of texts"):
        read.stream("天")


def test_a_model_that_reads_both_ways_is_refused():
    with pytest.raises(Exception, match="language model|later tokens|causal"):
        SequenceReader(make_bert(with_mlm=True), make_tokenizer())


def test_a_folder_gives_equal_records(read, tmp_path):
    items = list(make_questions(4))
    read.save(tmp_path / "reader")
    copy = load_pipeline(tmp_path / "reader")
    assert type(copy) is SequenceReader and copy.get_config() == read.get_config()
    assert copy(items) == read(items)
    with pytest.raises(ValueError, match="Expected a pipeline of the task question-answering"):
        Reader.load(tmp_path / "reader")


def test_evaluate_counts_right_answers(read):
    items = [{"question": QUESTION, "context": "玄日天地"}]
    answers = [{"text": read(items)[0]["text"], "start": 0}]
    assert read.evaluate([{**items[0], "answers": answers}]) == {"exact_match": 1.0, "f1": 1.0}
