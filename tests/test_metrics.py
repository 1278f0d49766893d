"""Metrics: equal to seqeval, scikit-learn and SciPy, and to what one counts by hand."""

import numpy as np
import pytest
from support import load_record

from bert4keras.metrics import (
    accuracy,
    bootstrap,
    find_best_threshold,
    mean_reciprocal_rank,
    ndcg,
    pearson,
    score_answers,
    score_entities,
    score_equations,
    score_labels,
    score_spans,
    score_texts,
    score_triples,
    spearman,
)

RATIOS = ("f1", "precision", "recall")


@pytest.fixture(scope="module")
def golden():
    return load_record("metrics/metrics.json")


def select(scores):
    return {key: scores[key] for key in RATIOS}


class TestScoreEntities:
    def test_it_is_equal_to_seqeval(self, golden):
        record = golden["entities"]
        scores = score_entities(record["true"], record["predictions"], by_label=True)
        assert select(scores) == pytest.approx(record["micro"], abs=1e-12)
        assert scores["labels"].keys() == record["labels"].keys()
        for label, row in scores["labels"].items():
            assert select(row) == pytest.approx(record["labels"][label], abs=1e-12)

    def test_order_changes_nothing_and_sides_change_places(self, golden):
        true, predictions = golden["entities"]["true"], golden["entities"]["predictions"]
        scores = score_entities(true, predictions)
        assert scores == score_entities(true[::-1], [row[::-1] for row in predictions[::-1]])
        swapped_scores = score_entities(predictions, true)
        assert swapped_scores["precision"] == scores["recall"]

    def test_a_prediction_that_comes_twice_counts_once(self):
        entity = (0, 2, "PER")
        assert score_entities([[entity]], [[entity, entity]])["precision"] == 1

    @pytest.mark.parametrize(
        "true, predictions, score",
        [([], [], 0), ([[]], [[]], 0), ([[(0, 1, "A")]], [[]], 0), ([[]], [[(0, 1, "A")]], 0)],
    )
    def test_nothing_has_the_score_0(self, true, predictions, score):
        assert select(score_entities(true, predictions)) == dict.fromkeys(RATIOS, score)

    def test_wrong_items_are_named(self):
        with pytest.raises(ValueError, match=r"Expected as many predictions .* got \[1, 2\]"):
            score_entities([[]], [[], []])
        with pytest.raises(TypeError, match=r"Expected predictions\[0\] to have items \(start"):
            score_entities([[]], [[(0, 1)]])
        with pytest.raises(ValueError, match="Expected the end of an item of true items.* 4 or"):
            score_entities([[(3, 3, "A")]], [[]])
        with pytest.raises(ValueError, match="Expected the start of an item of predictions"):
            score_entities([[]], [[(-1, 3, "A")]])
        with pytest.raises(TypeError, match="Expected a list with one item for each sample, got"):
            score_entities("ab", "ab")

    def test_the_interval_of_f1_is_that_of_bootstrap(self, golden):
        rows = golden["entities"]["true"], golden["entities"]["predictions"]
        low, high = score_entities(*rows, level=0.9)["interval"]
        limits = bootstrap(lambda *x: score_entities(*x)["f1"], *rows, level=0.9, num_draws=300)
        assert (low, high) == pytest.approx(limits, abs=0.01)
        assert low < score_entities(*rows)["f1"] < high
        assert score_entities(*rows, level=0.9)["interval"] == (low, high)

    def test_a_type_that_is_predicted_only_counts_in_the_macro_average(self):
        scores = score_entities([[(0, 1, "A")]], [[(0, 1, "A"), (1, 2, "B")]])
        assert scores["macro_f1"] == 0.5


class TestScoreSpans:
    def test_only_places_count(self):
        assert select(score_spans([[(0, 2), (2, 3)]], [[(0, 2), (2, 4)]])) == {
            "f1": 0.5,
            "precision": 0.5,
            "recall": 0.5,
        }
        with pytest.raises(TypeError, match=r"Expected true items\[0\] to have items \(start, end"):
            score_spans([[3]], [[]])


class TestScoreTriples:
    triples = [[("春山", "作者", "李明")], [("秋水", "作者", "王红"), ("秋水", "城市", "北京")]]

    def test_all_three_parts_count(self):
        predictions = [[("春山", "作者", "李明")], [("秋水", "作者", "李明")]]
        scores = score_triples(self.triples, predictions, by_label=True)
        assert select(scores) == {"f1": 0.4, "precision": 0.5, "recall": pytest.approx(1 / 3)}
        assert (scores["true"], scores["predicted"], scores["correct"]) == (3, 2, 1)
        assert scores["labels"]["作者"]["recall"] == 0.5
        assert scores["labels"]["城市"]["f1"] == 0

    def test_names_may_be_compared_by_what_they_become(self):
        predictions = [[("春 山", "作者", "李明 ")], []]
        assert score_triples(self.triples, predictions)["correct"] == 0
        scores = score_triples(
            self.triples, predictions, normalize=lambda name: name.replace(" ", "")
        )
        assert scores["correct"] == 1


class TestScoreLabels:
    def test_it_is_equal_to_scikit_learn(self, golden):
        record = golden["labels"]
        scores = score_labels(record["true"], record["predictions"])
        assert scores["accuracy"] == pytest.approx(record["accuracy"], abs=1e-12)
        assert accuracy(record["true"], record["predictions"]) == scores["accuracy"]
        assert select(scores) == pytest.approx(record["micro"], abs=1e-12)
        macro = {key: scores[f"macro_{key}"] for key in RATIOS}
        assert macro == pytest.approx(record["macro"], abs=1e-12)

    def test_several_labels_are_a_list(self):
        scores = score_labels([["a", "b"], []], [["a"], []], by_label=True)
        assert (scores["accuracy"], scores["precision"], scores["recall"]) == (0.5, 1.0, 0.5)
        assert scores["labels"]["b"]["recall"] == 0


class TestRanking:
    def test_ndcg_is_equal_to_scikit_learn(self, golden):
        record = golden["ranking"]
        rows = record["relevance"], record["scores"]
        assert ndcg(*rows) == pytest.approx(record["ndcg"], abs=1e-12)
        assert ndcg(*rows, k=3) == pytest.approx(record["ndcg_3"], abs=1e-12)

    def test_the_first_relevant_text_makes_the_reciprocal_rank(self):
        relevance = [[0, 0, 1], [1, 1, 0], [0, 0, 0]]
        scores = [[3, 2, 1], [1, 3, 2], [1, 2, 3]]
        assert mean_reciprocal_rank(relevance, scores) == pytest.approx((1 / 3 + 1 + 0) / 3)
        assert (mean_reciprocal_rank([], []), ndcg([], [])) == (0, 0)

    def test_correlations_are_equal_to_scipy(self, golden):
        record = golden["correlation"]
        columns = record["first"], record["second"]
        assert spearman(*columns) == pytest.approx(record["spearman"], abs=1e-12)
        assert pearson(*columns) == pytest.approx(record["pearson"], abs=1e-12)

    def test_one_value_has_no_correlation(self):
        assert spearman([1, 1, 1], [1, 2, 3]) == 0
        assert pearson([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]) == 0
        assert pearson([1e200, 2e200, 3e200], [1, 2, 3]) == pytest.approx(1)

    def test_among_equal_scores_the_order_counts(self):
        relevance = [[0] * 20 + [1] + [0] * 20]
        assert mean_reciprocal_rank(relevance, [[1.0] * 41]) == pytest.approx(1 / 21)

    def test_missing_numbers_are_refused(self):
        with pytest.raises(ValueError, match="Expected scores to be finite numbers"):
            spearman([1, 2], [1, float("nan")])
        with pytest.raises(ValueError, match="Expected scores to be finite numbers"):
            ndcg([[1, 0]], [[1, float("inf")]])
        with pytest.raises(ValueError, match="Expected relevance of 0 or more"):
            ndcg([[-1, 0]], [[1, 2]])


class TestScoreAnswers:
    @pytest.mark.parametrize(
        "answer, exact, f1",
        [
            ("春山", 1, 1),
            ("《春山》。", 1, 1),
            ("在春山", 0, 0.8),
            ("山春", 0, 0.5),
            ("春😀山", 0, 0.4),
            ("秋水", 0, 0),
            ("", 0, 0),
        ],
    )
    def test_answers_are_compared_by_characters(self, answer, exact, f1):
        assert score_answers([["春山"]], [answer]) == {"exact_match": exact, "f1": f1}

    def test_the_best_right_answer_counts(self):
        assert score_answers([["秋水", "BERT 4"]], ["bert 4"])["exact_match"] == 1

    def test_answers_are_lists_of_texts(self):
        with pytest.raises(TypeError, match=r"Expected true_answers\[0\] to be a list of str"):
            score_answers(["春山"], ["春山"])
        with pytest.raises(TypeError, match=r"Expected predictions\[0\] to be a str, got None"):
            score_answers([["春山"]], [None])

    def test_a_question_without_answer_wants_an_empty_text(self):
        assert score_answers([[], []], ["", "春山"]) == {"exact_match": 0.5, "f1": 0.5}


class TestScoreTexts:
    def test_equal_texts_have_the_score_1(self):
        pytest.importorskip("rouge_score")
        pytest.importorskip("nltk")
        scores = score_texts(["床前明月光", ["疑是地上霜", "霜"]], ["床前明月光", "疑是地上霜"])
        assert scores == pytest.approx(dict.fromkeys(("rouge-1", "rouge-2", "rouge-l", "bleu"), 1))
        assert score_texts(["床前明月光"], ["床前月光"])["rouge-l"] == pytest.approx(8 / 9)

    def test_no_texts_and_no_true_text(self):
        pytest.importorskip("rouge_score")
        assert score_texts([], [])["bleu"] == 0
        with pytest.raises(ValueError, match=r"Expected a text in true_texts\[0\], got none"):
            score_texts([[]], ["床"])

    def test_a_missing_library_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "rouge_score", None)
        with pytest.raises(ImportError, match=r"pip install \"bert4keras\[examples\]\""):
            score_texts(["床"], ["床"])


class TestFindBestThreshold:
    def test_it_is_the_best_of_all_thresholds(self):
        rng = np.random.default_rng(0)
        scores, is_correct = rng.integers(0, 9, 60) / 10, rng.random(60) < 0.5
        best = find_best_threshold(scores, is_correct, num_true=40)

        def compute_f1(threshold):
            keeps = scores >= threshold
            return 2 * (is_correct & keeps).sum() / (keeps.sum() + 40)

        assert best["f1"] == pytest.approx(compute_f1(best["threshold"]), abs=1e-12)
        assert best["f1"] == pytest.approx(max(map(compute_f1, np.linspace(0, 1, 21))), abs=1e-12)

    def test_equal_scores_are_kept_together(self):
        best = find_best_threshold([0.5, 0.5, 0.5], [True, False, False], 1)
        assert best["f1"] == 0.5 and best["threshold"] < 0.5

    @pytest.mark.parametrize("score", [1e17, -1e17, 1.7e308, 0.3])
    def test_neighbours_and_extremes(self, score):
        assert find_best_threshold([score], [False], 1)["threshold"] > score
        assert find_best_threshold([score], [True], 1)["threshold"] < score
        higher = np.nextafter(score, np.inf)
        threshold = find_best_threshold([higher, score], [True, False], 1)["threshold"]
        assert score < threshold <= higher

    def test_impossible_numbers_are_refused(self):
        with pytest.raises(ValueError, match="Expected num_true to be a whole number of 2 or more"):
            find_best_threshold([0.5, 0.4], [True, True], 1)
        with pytest.raises(TypeError, match="Expected is_correct to be True or False"):
            find_best_threshold([0.5], [float("nan")], 1)

    def test_nothing_right_needs_a_threshold_above_all(self):
        assert find_best_threshold([0.5], [False], 3)["threshold"] > 0.5
        assert find_best_threshold([], [], 3)["f1"] == 0


class TestBootstrap:
    def draw(self, count):
        labels = ["a"] * count
        return bootstrap(accuracy, labels, ["a", "a", "a", "b"] * (count // 4), num_draws=200)

    def test_the_interval_holds_the_score_and_narrows(self):
        (low, high), (new_low, new_high) = self.draw(20), self.draw(400)
        assert low < new_low < 0.75 < new_high < high

    def test_it_is_the_same_each_time(self):
        assert self.draw(20) == self.draw(20)

    def test_it_needs_samples(self):
        with pytest.raises(ValueError, match="Expected columns with at least one sample"):
            bootstrap(accuracy, [], [])

    def test_a_level_lies_between_0_and_1(self):
        with pytest.raises(ValueError, match="Expected level to be a finite number above 0"):
            bootstrap(accuracy, ["a"], ["a"], level=95)


class TestScoreEquations:
    def test_the_value_counts_not_the_form(self):
        predictions = ["2 * (4 + 3)", "8 / 2 * 1", "7", "x", "1/0", ""]
        scores = score_equations(["(3+4)*2", "8/2", "8", "1", "1", "1"], predictions)
        assert scores == {"accuracy": 2 / 6}

    def test_true_equations_have_values(self):
        with pytest.raises(ValueError, match="Expected an equation of numbers"):
            score_equations(["x"], ["1"])

    def test_nothing_scores_nothing(self):
        assert score_equations([], []) == {"accuracy": 0}
