"""BestPipeline: the folder of the best epoch, with scores in the logs."""

import keras
import numpy as np
import pytest
from pipelines.toy import make_tokenizer

from bert4keras.models import build_transformer_model
from bert4keras.optimizers import Adam, extend_with_exponential_moving_average
from bert4keras.pipelines import TextClassifier, load_pipeline
from bert4keras.training import BestPipeline

SAMPLES = [("天", "sky"), ("地", "earth")]


def make_classifier(optimizer="adam"):
    tokenizer = make_tokenizer()
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = {"vocab_size": tokenizer.vocab_size, "intermediate_size": 16, **sizes}
    model = build_transformer_model({**config, "hidden_act": "gelu"}, with_nsp=True)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return TextClassifier(model, tokenizer, ["sky", "earth"])


def fit(classifier, callback, epochs=1):
    inputs = [np.array(x) for x in classifier.tokenizer.encode_batch([x for x, _ in SAMPLES])]
    return classifier.model.fit(
        inputs, np.array([0, 1]), epochs=epochs, verbose=0, callbacks=[callback]
    )


def set_scores(monkeypatch, classifier, *scores):
    scores = iter(scores)
    monkeypatch.setattr(classifier, "evaluate", lambda samples, **options: next(scores))


def test_the_folder_is_of_the_best_epoch_and_the_logs_have_the_scores(tmp_path, monkeypatch):
    classifier = make_classifier()
    set_scores(monkeypatch, classifier, *({"f1": x, "correct": 3} for x in (0.5, 0.75, 0.25)))
    best = BestPipeline(classifier, SAMPLES, tmp_path)
    history = fit(classifier, best, epochs=3).history
    assert history["f1"] == [0.5, 0.75, 0.25] and "correct" not in history
    assert best.best == 0.75 and load_pipeline(tmp_path).scores == {"f1": 0.75, "correct": 3}


def test_the_saved_pipeline_answers_as_the_model_did(tmp_path):
    classifier = make_classifier()
    fit(classifier, BestPipeline(classifier, SAMPLES, tmp_path))
    expected, records = classifier("天"), load_pipeline(tmp_path)("天")
    assert records["label"] == expected["label"]
    assert records["score"] == pytest.approx(expected["score"], abs=1e-6)


@pytest.mark.parametrize("mode, expected", [("max", 2.0), ("min", 1.0)])
def test_monitor_and_mode_say_which_score_is_best(tmp_path, monkeypatch, mode, expected):
    classifier = make_classifier()
    set_scores(monkeypatch, classifier, {"a": 0.0, "b": 2.0}, {"a": 9.0, "b": 1.0})
    best = BestPipeline(classifier, SAMPLES, tmp_path, monitor="b", mode=mode)
    fit(classifier, best, epochs=2)
    assert best.best == load_pipeline(tmp_path).scores["b"] == expected


def test_a_metric_of_keras_can_be_monitored(tmp_path, monkeypatch):
    classifier = make_classifier()
    set_scores(monkeypatch, classifier, *({"f1": x} for x in (0.5, 0.75)))
    best = BestPipeline(classifier, SAMPLES, tmp_path, monitor="loss", mode="min")
    history = fit(classifier, best, epochs=2).history
    assert best.best == min(history["loss"])
    assert load_pipeline(tmp_path).scores["f1"] == [0.5, 0.75][np.argmin(history["loss"])]


def test_nan_is_never_the_best(tmp_path, monkeypatch):
    classifier = make_classifier()
    set_scores(monkeypatch, classifier, {"f1": float("nan")})
    fit(classifier, BestPipeline(classifier, SAMPLES, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_averages_are_saved_and_training_goes_on_with_the_weights(tmp_path, monkeypatch):
    optimizer = extend_with_exponential_moving_average(Adam)(0.1, ema_momentum=0.9)
    classifier = make_classifier(optimizer)
    table = classifier.model.get_layer("NSP-Proba").kernel
    weights = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(np.array(keras.ops.convert_to_numpy(table)))
    )
    best = BestPipeline(classifier, SAMPLES, tmp_path, uses_ema=True)
    set_scores(monkeypatch, classifier, {"f1": 0.1}, {"f1": 0.2})
    callbacks = keras.callbacks.CallbackList([record, best], model=classifier.model)
    fit(classifier, callbacks, epochs=2)
    assert np.array_equal(keras.ops.convert_to_numpy(table), weights[-1])
    saved_table = load_pipeline(tmp_path).model.get_layer("NSP-Proba").kernel
    assert np.abs(keras.ops.convert_to_numpy(saved_table) - weights[-1]).max() > 1e-3


def test_uses_ema_needs_an_optimizer_with_averages(tmp_path):
    classifier = make_classifier()
    with pytest.raises(ValueError, match="Expected an optimizer with moving averages .* got Adam"):
        fit(classifier, BestPipeline(classifier, SAMPLES, tmp_path, uses_ema=True))


def test_a_score_that_is_not_there_is_named(tmp_path):
    classifier = make_classifier()
    with pytest.raises(ValueError, match=r"Expected monitor to be one of .*accuracy.* got 'bleu'"):
        fit(classifier, BestPipeline(classifier, SAMPLES, tmp_path, monitor="bleu"))


def test_something_else_than_a_pipeline_is_refused(tmp_path):
    with pytest.raises(TypeError, match="Expected a pipeline with evaluate, save, stream, got"):
        BestPipeline(make_classifier().model, SAMPLES, tmp_path)


def test_mode_is_checked(tmp_path):
    with pytest.raises(ValueError, match="mode"):
        BestPipeline(make_classifier(), SAMPLES, tmp_path, mode="best")


@pytest.mark.parametrize("verbose", [True, False])
def test_each_save_is_printed(tmp_path, monkeypatch, capsys, verbose):
    classifier = make_classifier()
    set_scores(monkeypatch, classifier, {"f1": 0.5}, {"f1": 0.25})
    fit(classifier, BestPipeline(classifier, SAMPLES, tmp_path, verbose=verbose), epochs=2)
    expected = f"\nf1 0.5000: saved to {tmp_path}\n" if verbose else ""
    assert capsys.readouterr().out == expected
