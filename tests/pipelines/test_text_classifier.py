import keras
import numpy as np
import pytest
from pipelines.toy import TOKENS, make_classifier, make_table, make_texts, make_tokenizer

from bert4keras.pipelines import TextClassifier

LABELS = ["poem", "prose", "song"]


@pytest.fixture(scope="module")
def classify():
    return TextClassifier(make_classifier(), make_tokenizer(), LABELS)


def list_scores(records):
    return [[record["score"] for record in row] for row in records]


class TestRecords:
    def test_the_record_of_a_text_is_its_best_label(self, classify):
        row = np.array([classify.tokenizer.encode("天地")[0]])
        (probabilities,) = keras.ops.convert_to_numpy(classify.model([row, 0 * row]))
        record = classify("天地")
        assert record["label"] == LABELS[probabilities.argmax()]
        assert record["score"] == pytest.approx(probabilities.max(), abs=1e-6)

    def test_top_k_gives_more_labels_the_best_first(self, classify):
        records = classify(["天", "地"], top_k=3)
        assert {record["label"] for record in records[0]} == set(LABELS)
        assert list_scores(records) == [sorted(row, reverse=True) for row in list_scores(records)]
        assert len(classify("天", top_k=1)) == 1

    def test_pairs_are_tuples_or_dicts(self, classify):
        record = classify(("天", "地"))
        assert record == classify({"text": "天", "text_pair": "地"})
        assert record == classify({"text_pair": "地", "text": "天"})
        assert record == classify([("天", "地")])[0]
        assert record != classify("天地")

    def test_labels_of_a_multi_label_task_reach_the_threshold(self):
        vectors = np.zeros((len(TOKENS), 2))
        vectors[5:] = [2.0, -2.0]
        model = make_table(vectors, pools=True)
        classify = TextClassifier(model, make_tokenizer(), ["a", "b"], True, from_logits=True)
        assert [record["label"] for record in classify("天地")] == ["a"]
        assert [record["label"] for record in classify("天地", threshold=0.1)] == ["a", "b"]
        assert classify("天地", threshold=0.99) == []

    def test_logits_become_probabilities(self):
        logits = make_classifier(activation=None)
        proba = keras.Model(logits.inputs, keras.layers.Softmax()(logits.output))
        first = TextClassifier(logits, make_tokenizer(), LABELS)
        second = TextClassifier(proba, make_tokenizer(), LABELS)
        assert (first.from_logits, second.from_logits) == (True, False)
        assert first("天地玄黄")["score"] == pytest.approx(second("天地玄黄")["score"], abs=1e-6)


class TestBatches:
    texts = make_texts(60)

    @pytest.mark.parametrize("options", [{"batch_tokens": 30}, {"buffer_size": 7}])
    def test_batches_change_nothing(self, classify, options):
        scores = list_scores(classify(self.texts, top_k=3))
        np.testing.assert_allclose(
            list_scores(classify(self.texts, top_k=3, **options)), scores, atol=1e-5
        )
        rows = [classify(text, top_k=3) for text in self.texts[:5]]
        np.testing.assert_allclose(list_scores(rows), scores[:5], atol=1e-5)

    def test_records_come_in_the_order_of_the_texts(self, classify):
        records = classify(self.texts, top_k=3)
        mirror_records = classify(self.texts[::-1], top_k=3)[::-1]
        np.testing.assert_allclose(list_scores(mirror_records), list_scores(records), atol=1e-5)

    def test_a_stream_reads_no_more_than_its_buffer(self, classify):
        count = 0

        def read():
            nonlocal count
            for text in self.texts:
                count += 1
                yield text

        stream = classify.stream(read(), buffer_size=8)
        next(stream)
        assert count == 8
        assert len(list(stream)) == len(self.texts) - 1

    def test_no_texts_give_no_records(self, classify):
        assert classify([]) == []

    def test_a_progress_bar_counts_texts(self, classify, capsys):
        classify(self.texts, progress=True)
        assert "60/60" in capsys.readouterr().err
        classify(self.texts, progress=False)
        assert capsys.readouterr().err == ""


class TestLongTexts:
    text = "天地玄黄" * 10

    def test_a_long_text_is_never_cut_in_silence(self, classify):
        with pytest.raises(ValueError, match=r"Expected texts\[1\] to have at most 24 tokens, got"):
            classify(["天", self.text])

    def test_a_text_is_cut_where_this_is_said(self, classify):
        record = classify(self.text, truncate=True)
        assert record["score"] == pytest.approx(classify(self.text[:22])["score"], abs=1e-6)

    def test_windows_are_averaged_by_their_tokens(self):
        vectors = np.zeros((len(TOKENS), 2))
        vectors[TOKENS.index("天")] = [1, 0]
        model = make_table(vectors, pools=True)
        classify = TextClassifier(
            model, make_tokenizer(), ["sky", "rest"], True, maxlen=7, overlap=0, from_logits=True
        )
        scores = {x["label"]: x["score"] for x in classify("天" * 7, top_k=2, truncate="windows")}
        windows = 1 / (1 + np.exp(-np.array([5 / 7, 2 / 4])))
        assert scores["sky"] == pytest.approx(np.average(windows, weights=[7, 4]), abs=1e-6)


class TestScores:
    def test_evaluate_counts_right_labels(self, classify):
        samples = [(text, classify(text)["label"]) for text in make_texts(8)]
        assert classify.evaluate(samples)["accuracy"] == 1
        new_label = next(label for label in LABELS if label != samples[0][1])
        assert classify.evaluate([(samples[0][0], new_label), *samples[1:]])["accuracy"] == 7 / 8

    def test_find_threshold_gives_the_best_of_several_labels(self):
        vectors = np.zeros((len(TOKENS), 2))
        vectors[5], vectors[6] = [2.0, 0.5], [-1.0, 0.2]  # 天 and 地
        model = make_table(vectors, pools=True)
        classify = TextClassifier(model, make_tokenizer(), ["a", "b"], True, from_logits=True)
        best = classify.find_threshold([("天", ["a", "b"]), ("地", [])])
        assert best["f1"] == 1
        classify.threshold = best["threshold"]
        assert classify.evaluate([("天", ["a", "b"]), ("地", [])])["accuracy"] == 1

    def test_a_single_label_has_no_threshold(self, classify):
        with pytest.raises(ValueError, match="Expected is_multi_label=True to find a threshold"):
            classify.find_threshold([("天", "poem")])

    def test_an_unknown_label_is_named(self, classify):
        with pytest.raises(ValueError, match=r"Expected the label of samples\[1\] .*'opera'"):
            classify.evaluate([("天", "poem"), ("地", "opera")])


class TestErrors:
    @pytest.mark.parametrize(
        "text, error, message",
        [
            (None, TypeError, r"Expected texts\[1\] to be a str, got None"),
            (float("nan"), TypeError, r"Expected texts\[1\] to be a str, got nan"),
            (7, TypeError, r"Expected texts\[1\] to be a str, got 7"),
            ("", ValueError, r"Expected texts\[1\] to have characters, got ''"),
            (" \n", ValueError, r"Expected texts\[1\] to have characters"),
            (("天", None), TypeError, r"Expected texts\[1\]\[1\] to be a str, got None"),
            (
                ("天", "地", "人"),
                ValueError,
                r"Expected texts\[1\] to be a text or a pair of texts",
            ),
            ({"txt": "天"}, ValueError, r"Expected the keys of texts\[1\] "),
        ],
    )
    def test_a_wrong_text_is_named(self, classify, text, error, message):
        with pytest.raises(error, match=message):
            classify(["天", text])

    def test_texts_are_an_iterable(self, classify):
        with pytest.raises(TypeError, match="Expected texts to be an iterable of texts, got 7"):
            classify(7)

    def test_labels_are_those_of_the_outputs(self):
        model, tokenizer = make_classifier(), make_tokenizer()
        with pytest.raises(ValueError, match="Expected 3 different labels .* got 2"):
            TextClassifier(model, tokenizer, ["a", "b"])
        with pytest.raises(ValueError, match="Expected 3 different labels"):
            TextClassifier(model, tokenizer, ["a", "b", "b"])

    def test_the_output_has_one_row_for_each_text(self):
        model = make_table(np.ones((len(TOKENS), 3)))
        with pytest.raises(
            ValueError, match=r"Expected model to have outputs of the shapes \[\(None, 3"
        ):
            TextClassifier(model, make_tokenizer(), LABELS)

    def test_the_last_operation_says_what_comes_out_or_the_user_does(self):
        model = make_table(np.ones((len(TOKENS), 3)), pools=True)
        with pytest.raises(ValueError, match="Expected from_logits to be True or False"):
            TextClassifier(model, make_tokenizer(), LABELS)

    def test_logits_that_are_called_probabilities_are_refused(self):
        model = make_classifier(activation=None)
        classify = TextClassifier(model, make_tokenizer(), LABELS, from_logits=False)
        with pytest.raises(ValueError, match="Expected the model to give probabilities"):
            classify("天地玄黄")

    def test_a_window_is_no_longer_than_the_positions(self):
        with pytest.raises(ValueError, match="Expected maxlen to be a whole number from 1 to 24"):
            TextClassifier(make_classifier(), make_tokenizer(), LABELS, maxlen=25)

    def test_an_overlap_is_below_maxlen(self):
        with pytest.raises(ValueError, match="Expected overlap to be a whole number from 0 to 9"):
            TextClassifier(make_classifier(), make_tokenizer(), LABELS, maxlen=10, overlap=10)

    def test_unknown_options_are_refused(self, classify):
        with pytest.raises(TypeError, match="batch_size"):
            classify("天", batch_size=4)
        with pytest.raises(TypeError, match="Expected truncate to be True or False, got 'left'"):
            classify("天", truncate="left")

    def test_a_model_is_functional_and_takes_ids(self):
        tokenizer = make_tokenizer()
        with pytest.raises(TypeError, match="Expected model to be a functional Keras model, got 7"):
            TextClassifier(7, tokenizer, LABELS)
        inputs = [keras.Input((None,)) for _ in range(3)]
        model = keras.Model(inputs, keras.ops.mean(inputs[0], axis=1, keepdims=True))
        with pytest.raises(ValueError, match="Expected model to have the inputs token ids"):
            TextClassifier(model, tokenizer, ["a"])
