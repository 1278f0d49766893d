"""Pair scorer: one score, labels, ranking; windows; its folder."""

import keras
import numpy as np
import pytest
from pipelines.toy import CHARACTERS, TOKENS, make_classifier, make_texts, make_tokenizer
from support import assert_close

from bert4keras.layers import Embedding, GlobalMaxPooling1D
from bert4keras.pipelines import PairScorer, load_pipeline

LABELS = ["no", "maybe", "yes"]


def make_scorer(last_activation=None, **options):
    return PairScorer(make_classifier(1, last_activation), make_tokenizer(), **options)


def make_label_scorer(**options):
    options = {"labels": LABELS, "positive_label": "yes", **options}
    return PairScorer(make_classifier(3, "softmax"), make_tokenizer(), **options)


def make_pairs(count, seed=0, longest=9):
    texts = make_texts(2 * count, seed, longest=longest)
    return list(zip(texts[::2], texts[1::2]))


def compute_logits(pairs, activation=None):
    model, tokenizer = make_classifier(1, activation), make_tokenizer()
    rows = [tokenizer.encode(*pair) for pair in pairs]
    outputs = [model([np.array([ids]), np.array([segments])]) for ids, segments in rows]
    return np.array([keras.ops.convert_to_numpy(x)[0, 0] for x in outputs])


def scores_of(records):
    return [record["score"] for record in records]


def test_one_score_is_a_sigmoid_or_as_it_is():
    pairs = make_pairs(5)
    logits = compute_logits(pairs)
    assert_close(scores_of(make_scorer("linear")(pairs)), 1 / (1 + np.exp(-logits)))
    assert_close(scores_of(make_scorer("linear", activation="linear")(pairs)), logits)
    probabilities = compute_logits(pairs, "sigmoid")
    assert_close(scores_of(make_scorer("sigmoid")(pairs)), probabilities)


def test_labels():
    pairs = make_pairs(5)
    score = make_label_scorer()
    records = score(pairs)
    assert {record["label"] for record in records} <= set(LABELS)
    by_label = [scores_of(score(pairs, label=label)) for label in LABELS]
    assert_close(np.sum(by_label, 0), np.ones(5))
    assert_close(scores_of(records), np.max(by_label, 0))


def test_pairs_as_tuples_or_dicts():
    score = make_scorer("linear")
    record = score(("天地", "玄黄"))
    assert type(record["score"]) is float
    assert score({"text": "天地", "text_pair": "玄黄"}) == record
    assert_close(scores_of(score([["天地", "玄黄"]])), [record["score"]])


@pytest.mark.parametrize("make", [lambda: make_scorer("linear"), make_label_scorer])
def test_rank(make):
    score = make()
    texts = make_texts(9, longest=9)
    options = {"label": "yes"} if score.labels else {}
    want = np.array(scores_of(score([("天地", text) for text in texts], **options)))
    got = score.rank("天地", iter(texts))
    assert [record["index"] for record in got] == np.argsort(-want, kind="stable").tolist()
    assert_close(scores_of(got), np.sort(want)[::-1])
    assert all(texts[record["index"]] == record["text"] for record in got)
    assert score.rank("天地", texts, top_k=2)[1]["index"] == got[1]["index"]
    assert score.rank("天地", []) == []


def test_equal_scores_keep_their_order():
    got = make_scorer("linear").rank("天", ["地", "玄", "地", "玄"])
    indices = [record["index"] for record in got]
    assert indices in ([0, 2, 1, 3], [1, 3, 0, 2])


def test_padding_batches_and_order_change_nothing():
    score, pairs = make_scorer("linear"), make_pairs(30)
    want = [score(pair)["score"] for pair in pairs]
    assert_close(scores_of(score(pairs, batch_tokens=40, buffer_size=7)), want)
    assert_close(scores_of(score(pairs[::-1]))[::-1], want)


def test_the_best_window_of_a_long_text_counts():
    ids, segments = (keras.Input((None,), dtype="int32") for _ in range(2))
    table = Embedding(len(TOKENS), 1, mask_zero=True)
    model = keras.Model([ids, segments], GlobalMaxPooling1D()(table(ids)))
    table.set_weights([np.arange(len(TOKENS), dtype="float32")[:, None]])
    options = {"activation": "linear", "maxlen": 8, "overlap": 1}
    score = PairScorer(model, make_tokenizer(), **options)
    pair = ("天", CHARACTERS)
    assert score(pair, truncate="windows")["score"] == len(TOKENS) - 1
    assert score(pair, truncate=True)["score"] < len(TOKENS) - 1
    with pytest.raises(ValueError, match=r"Expected texts\[0\] to have at most 8 tokens"):
        score(pair)


def test_evaluate_numbers():
    score, pairs = make_scorer("linear"), make_pairs(8)
    samples = [(pair, 2 * record["score"]) for pair, record in zip(pairs, score(pairs))]
    assert score.evaluate(samples) == pytest.approx({"spearman": 1, "pearson": 1})


def test_numbers_0_and_1_have_an_accuracy_where_the_score_is_a_sigmoid():
    for activation in ("linear", "sigmoid"):  # of the model; the score is a sigmoid of both
        score, pairs = make_scorer(activation), make_pairs(8)
        numbers = [round(record["score"]) for record in score(pairs)]
        samples = list(zip(pairs, numbers))
        samples[0] = (pairs[0], 1 - numbers[0])
        assert score.evaluate(samples)["accuracy"] == 7 / 8
        assert "accuracy" not in score.evaluate([(pair, number + 0.5) for pair, number in samples])
    logits = make_scorer("linear", activation="linear")
    assert "accuracy" not in logits.evaluate(samples)


def test_accuracy_of_numbers_0_and_1_rounds_the_score():
    class FixedScorer(PairScorer):
        def __call__(self, texts, **options):
            return [{"score": score} for score in (0.45, 0.55)]

    score = FixedScorer(make_classifier(1, "sigmoid"), make_tokenizer())
    assert score.evaluate([(("天", "地"), 0), (("日", "月"), 1)])["accuracy"] == 1


def test_evaluate_labels():
    score, pairs = make_label_scorer(), make_pairs(8)
    samples = [(pair, record["label"]) for pair, record in zip(pairs, score(pairs))]
    assert score.evaluate(samples)["accuracy"] == 1
    with pytest.raises(ValueError, match=r"Expected the label of samples\[0\] to be one of"):
        score.evaluate([(("天", "地"), "other")])


def test_evaluate_rankings():
    score, texts = make_scorer("linear"), ["地", "玄黄", "宇宙洪"]
    order = [record["index"] for record in score.rank("天", texts)]
    relevance = [0, 0, 0]
    relevance[order[1]] = 1
    sample = {"query": "天", "texts": texts, "relevance": relevance}
    got = score.evaluate([sample])
    assert got["mrr"] == 0.5 and got["ndcg"] == got["ndcg@10"] == pytest.approx(1 / np.log2(3))
    with pytest.raises(ValueError, match="Expected the keys query, texts and relevance in"):
        score.evaluate([{"query": "天", "texts": texts}])


@pytest.mark.parametrize("make", [lambda: make_scorer("linear"), make_label_scorer])
def test_a_saved_scorer_gives_equal_records(make, tmp_path):
    score, pairs = make(), make_pairs(9)
    score.save(tmp_path)
    copy = load_pipeline(tmp_path)
    assert_close(scores_of(copy(pairs)), scores_of(score(pairs)))
    assert copy.get_config() == score.get_config()


@pytest.mark.parametrize(
    "num_outputs, activation, options, message",
    [
        (3, "softmax", {}, "Expected model to have outputs of the shapes"),
        (3, "softmax", {"labels": ["a", "b"]}, "Expected 3 different labels for the outputs"),
        (3, "softmax", {"labels": LABELS, "activation": "linear"}, "Expected no activation with"),
        (3, "softmax", {"labels": LABELS, "positive_label": "x"}, "positive_label to be one of"),
        (1, "linear", {"positive_label": "yes"}, "Expected labels with positive_label"),
        (1, "linear", {"from_logits": True}, "Expected labels with positive_label and from_logits"),
        (1, "linear", {"activation": "tanh"}, "Expected activation to be one of"),
        (1, "tanh", {}, "Expected activation, got None"),
    ],
)
def test_wrong_arguments(num_outputs, activation, options, message):
    with pytest.raises(ValueError, match=message):
        PairScorer(make_classifier(num_outputs, activation), make_tokenizer(), **options)


@pytest.mark.parametrize(
    "pair, message",
    [
        ("天地", r"Expected texts\[1\] to be a pair of texts, got '天地'"),
        (("天", None), r"Expected texts\[1\]\[1\] to be a str, got None"),
        (("天", float("nan")), r"Expected texts\[1\]\[1\] to be a str, got nan"),
        (("天", " "), r"Expected texts\[1\]\[1\] to have characters"),
        (("天", "地", "玄"), r"texts\[1\] to be a text or a pair of texts, got 3"),
    ],
)
def test_wrong_pairs(pair, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make_scorer("linear")([("天", "地"), pair])


def test_wrong_calls():
    score = make_scorer("linear")
    with pytest.raises(ValueError, match="Expected query to have characters"):
        score.rank(" ", ["天"])
    with pytest.raises(TypeError, match="Expected texts to be a list of texts"):
        score.rank("天", "地")
    with pytest.raises(TypeError, match=r"Expected texts\[0\] to be a str, got 3"):
        score.rank("天", [3])
    with pytest.raises(ValueError, match="Expected top_k to be a whole number of 1 or more"):
        score.rank("天", ["地"], top_k=0)
    with pytest.raises(ValueError, match="Expected label to be one of"):
        make_label_scorer()([("天", "地")], label="other")
    with pytest.raises(ValueError, match="Expected positive_label to rank by one of the labels"):
        make_label_scorer(positive_label=None).rank("天", ["地"])
