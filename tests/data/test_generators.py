"""Batches by a loop over samples."""

import json
from pathlib import Path

import numpy as np
import pytest

from bert4keras.backend import keras
from bert4keras.data import DataGenerator, sequence_padding

GOLDEN = Path(__file__).parents[1] / "golden" / "functions" / "snippets-data.json"
CASES = [
    case
    for case in json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]
    if case["function"] == "DataGenerator" and isinstance(case["data"], list) and case["data"]
]


class Lists(DataGenerator):
    """Yields the samples of a batch as a list."""

    def __iter__(self, random=False):
        batch = []
        for is_end, sample in self.sample(random):
            batch.append(sample)
            if len(batch) == self.batch_size or is_end:
                yield batch, None
                batch = []


class Sentences(DataGenerator):
    """The way of the classic scripts: padded ids and segments, with or without labels."""

    labelled = False

    def __iter__(self, random=False):
        ids, labels = [], []
        for is_end, tokens in self.sample(random):
            ids.append(tokens)
            labels.append([len(tokens) % 2])
            if len(ids) == self.batch_size or is_end:
                ids, labels = sequence_padding(ids), sequence_padding(labels)
                yield [ids, np.zeros_like(ids)], labels if self.labelled else None
                ids, labels = [], []


class LabelledSentences(Sentences):
    labelled = True


class Mean(keras.layers.Layer):
    """Adds its input to the loss, as scripts without targets do."""

    def call(self, x):
        self.add_loss(keras.ops.mean(x))
        return x


def a_model(labelled):
    tokens, segments = keras.Input((None,)), keras.Input((None,))
    x = keras.layers.Embedding(50, 4)(tokens) + keras.layers.Embedding(2, 4)(segments)
    x = keras.layers.Dense(2, "softmax")(keras.layers.GlobalAveragePooling1D()(x))
    model = keras.Model([tokens, segments], x if labelled else Mean()(x))
    model.compile("sgd", "sparse_categorical_crossentropy" if labelled else None)
    return model


def sentences_of(lengths):
    return [list(range(1, length + 1)) for length in lengths]


def taken(stream, count):
    return [next(stream) for _ in range(count)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['data'])} samples")
def test_a_generator_is_as_it_was(case):
    generator = Lists(case["data"], case["batch_size"])
    assert generator.steps == len(generator) == case["steps"]
    assert generator.buffer_size == case["buffer_size"]
    assert [list(pair) for pair in generator.sample()] == case["sample"]
    assert [list(batch) for batch in generator] == case["iter"]
    forfit = taken(generator.forfit(random=False), len(case["forfit"]))
    assert [[list(inputs), targets] for inputs, targets in forfit] == case["forfit"]
    assert taken(generator.fortest(), len(case["fortest"])) == case["fortest"]


def test_an_iterator_has_an_end_but_no_length():
    generator = Lists(iter(range(5)), batch_size=2)
    assert generator.steps is None
    assert [is_end for is_end, _ in generator.sample()] == [False] * 4 + [True]
    with pytest.raises(TypeError, match="without a length.*pass the data as a list"):
        len(generator)


@pytest.mark.parametrize("kind", [list, iter])
def test_shuffling_keeps_every_sample_once(kind):
    generator = Lists(kind(range(20)), batch_size=2, buffer_size=5)
    samples = [sample for _, sample in generator.sample(random=True)]
    assert samples != list(range(20))
    assert sorted(samples) == list(range(20))


def test_a_buffer_lets_no_sample_come_too_early():
    samples = [sample for _, sample in Lists(iter(range(50)), buffer_size=5).sample(random=True)]
    assert all(sample <= place + 5 for place, sample in enumerate(samples))
    assert samples[:40] != sorted(samples[:40])


def test_a_seed_repeats_the_order_but_not_each_epoch():
    first, second = (Lists(range(20), seed=3).forfit() for _ in range(2))
    epochs = taken(first, 2)
    assert epochs == taken(second, 2)
    assert epochs[0] != epochs[1]


def test_the_seed_of_numpy_repeats_the_order():
    orders = []
    for _ in range(2):
        np.random.seed(5)
        orders.append(taken(Lists(range(20)).forfit(), 2))
    assert orders[0] == orders[1]


@pytest.mark.parametrize("kind", [list, iter])
def test_shuffled_samples_of_about_equal_length_come_together(kind):
    data = list(np.random.default_rng(0).integers(1, 500, 1001))
    generator = Lists(kind(data), batch_size=10, seed=0, length=lambda sample: sample)
    batches = [batch for batch, _ in generator.__iter__(random=True)]
    assert sorted(sum(batches, [])) == sorted(data)
    assert [len(batch) for batch in batches] == [10] * 100 + [1]
    assert np.mean([max(batch) - min(batch) for batch in batches]) < 20  # of 500
    means = [np.mean(batch) for batch in batches[:50]]
    assert np.abs(np.diff(means)).mean() > 100  # but the batches are in no order


def test_samples_in_order_stay_in_order():
    assert [x for _, x in Lists([3, 1, 2], length=int).sample()] == [3, 1, 2]


def test_no_data_is_an_empty_loop_but_nothing_to_fit_on():
    generator = Lists([])
    assert len(generator) == 0
    assert list(generator) == list(generator.sample(random=True)) == []
    with pytest.raises(ValueError, match="Lists yielded no batch.*empty, or an iterator"):
        next(generator.forfit())


def test_a_used_up_iterator_is_not_waited_for():
    stream = Lists(iter([1]), batch_size=1).forfit()
    assert next(stream) == ((1,), None)
    with pytest.raises(ValueError, match="an iterator that has been used up; pass a list"):
        next(stream)


def test_a_generator_without_a_loop_says_what_to_write():
    with pytest.raises(NotImplementedError, match="DataGenerator must define `__iter__"):
        iter(DataGenerator([1]))


@pytest.mark.parametrize("labelled", [True, False])
def test_batches_of_any_length_fit_though_the_first_are_alike(labelled):
    lengths = [6, 6, 6, 6, 9, 9, 4, 4, 6]
    kind = LabelledSentences if labelled else Sentences
    generator = kind(sentences_of(lengths), batch_size=2)
    model = a_model(labelled)
    stream = generator.forfit(random=False)
    history = model.fit(stream, steps_per_epoch=len(generator), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert np.isfinite(history.history["loss"]).all()


def test_fit_sees_the_batches_of_the_loop_in_their_order():
    generator = LabelledSentences(sentences_of([3, 3, 7, 5, 4, 8]), batch_size=2)
    fitted, by_hand = a_model(True), a_model(True)
    by_hand.set_weights(fitted.get_weights())
    fitted.fit(generator.forfit(random=False), steps_per_epoch=3, epochs=2, verbose=0)
    for inputs, targets in taken(generator.forfit(random=False), 6):
        by_hand.train_on_batch(inputs, targets)
    for one, other in zip(fitted.get_weights(), by_hand.get_weights()):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_one_stream_serves_several_fits():
    model = a_model(True)
    stream = LabelledSentences(sentences_of([6, 6, 9, 4]), batch_size=1).forfit(random=False)
    for _ in range(3):
        model.fit(stream, steps_per_epoch=2, verbose=0)


def test_one_stream_evaluates():
    generator = LabelledSentences(sentences_of([6, 6, 9]), batch_size=1)
    model = a_model(True)
    expected = np.mean([model.test_on_batch(*batch) for batch in generator])
    loss = model.evaluate(generator.forfit(random=False), steps=3, verbose=0)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_fortest_predicts():
    generator = Sentences(sentences_of([6, 6, 9]), batch_size=1)
    model = a_model(True)
    predicted = model.predict(generator.fortest(), steps=len(generator), verbose=0)
    expected = np.concatenate([model.predict_on_batch(inputs) for inputs, _ in generator])
    np.testing.assert_allclose(predicted, expected, rtol=1e-5)
