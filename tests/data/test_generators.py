"""DataGenerator: batches by a loop over samples."""

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
    """Padded ids and segments as classic scripts make them, with or without labels."""

    has_labels = False

    def __iter__(self, random=False):
        ids, labels = [], []
        for is_end, tokens in self.sample(random):
            ids.append(tokens)
            labels.append([len(tokens) % 2])
            if len(ids) == self.batch_size or is_end:
                ids, labels = sequence_padding(ids), sequence_padding(labels)
                yield [ids, np.zeros_like(ids)], labels if self.has_labels else None
                ids, labels = [], []


class SentencesWithLabels(Sentences):
    has_labels = True


class Mean(keras.layers.Layer):
    """Adds its input to the loss, as scripts without targets do."""

    def call(self, x):
        self.add_loss(keras.ops.mean(x))
        return x


def make_model(has_labels):
    tokens, segments = keras.Input((None,)), keras.Input((None,))
    x = keras.layers.Embedding(50, 4)(tokens) + keras.layers.Embedding(2, 4)(segments)
    x = keras.layers.Dense(2, "softmax")(keras.layers.GlobalAveragePooling1D()(x))
    model = keras.Model([tokens, segments], x if has_labels else Mean()(x))
    model.compile("sgd", "sparse_categorical_crossentropy" if has_labels else None)
    return model


def make_sentences(lengths):
    return [list(range(1, length + 1)) for length in lengths]


def take(stream, count):
    return [next(stream) for _ in range(count)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['data'])} samples")
def test_data_generator_gives_the_golden_records(case):
    generator = Lists(case["data"], case["batch_size"])
    assert generator.steps == len(generator) == case["steps"]
    assert generator.buffer_size == case["buffer_size"]
    assert [list(pair) for pair in generator.sample()] == case["sample"]
    assert [list(batch) for batch in generator] == case["iter"]
    forfit = take(generator.forfit(random=False), len(case["forfit"]))
    assert [[list(inputs), targets] for inputs, targets in forfit] == case["forfit"]
    assert take(generator.fortest(), len(case["fortest"])) == case["fortest"]


def test_sample_ends_with_an_iterator_that_has_no_length():
    generator = Lists(iter(range(5)), batch_size=2)
    assert generator.steps is None
    assert [is_end for is_end, _ in generator.sample()] == [False] * 4 + [True]
    with pytest.raises(TypeError, match="data with a length.*Pass the data as a list"):
        len(generator)


@pytest.mark.parametrize("kind", [list, iter])
def test_sample_shuffles_and_yields_every_sample_once(kind):
    generator = Lists(kind(range(20)), batch_size=2, buffer_size=5)
    samples = [sample for _, sample in generator.sample(random=True)]
    assert samples != list(range(20))
    assert sorted(samples) == list(range(20))


def test_sample_shuffles_an_iterator_within_the_buffer():
    samples = [sample for _, sample in Lists(iter(range(50)), buffer_size=5).sample(random=True)]
    assert all(sample <= place + 5 for place, sample in enumerate(samples))
    assert samples[:40] != sorted(samples[:40])


def test_seed_repeats_the_order_but_not_in_each_epoch():
    first, second = (Lists(range(20), seed=3).forfit() for _ in range(2))
    epochs = take(first, 2)
    assert epochs == take(second, 2)
    assert epochs[0] != epochs[1]


def test_seed_of_numpy_repeats_the_order():
    orders = []
    for _ in range(2):
        np.random.seed(5)
        orders.append(take(Lists(range(20)).forfit(), 2))
    assert orders[0] == orders[1]


@pytest.mark.parametrize("kind", [list, iter])
def test_length_func_puts_samples_of_similar_length_together(kind):
    data = list(np.random.default_rng(0).integers(1, 500, 1001))
    generator = Lists(kind(data), batch_size=10, seed=0, length_func=lambda sample: sample)
    batches = [batch for batch, _ in generator.__iter__(random=True)]
    assert sorted(sum(batches, [])) == sorted(data)
    assert [len(batch) for batch in batches] == [10] * 100 + [1]
    assert np.mean([max(batch) - min(batch) for batch in batches]) < 20  # of 500
    means = [np.mean(batch) for batch in batches[:50]]
    assert np.abs(np.diff(means)).mean() > 100  # but the batches are in no order


def test_length_func_leaves_the_order_without_shuffling():
    assert [x for _, x in Lists([3, 1, 2], length_func=int).sample()] == [3, 1, 2]


def test_forfit_refuses_empty_data():
    generator = Lists([])
    assert len(generator) == 0
    assert list(generator) == list(generator.sample(random=True)) == []
    with pytest.raises(
        ValueError, match="Expected Lists to yield .*empty, or an exhausted iterator"
    ):
        next(generator.forfit())


def test_forfit_refuses_an_exhausted_iterator():
    stream = Lists(iter([1]), batch_size=1).forfit()
    assert next(stream) == ((1,), None)
    with pytest.raises(ValueError, match="an exhausted iterator. Pass a list"):
        next(stream)


def test_data_generator_without_iter_names_the_method_to_write():
    with pytest.raises(NotImplementedError, match="Expected DataGenerator to define __iter__"):
        iter(DataGenerator([1]))


@pytest.mark.parametrize("has_labels", [True, False])
def test_forfit_trains_on_batches_of_any_length(has_labels):
    lengths = [6, 6, 6, 6, 9, 9, 4, 4, 6]
    kind = SentencesWithLabels if has_labels else Sentences
    generator = kind(make_sentences(lengths), batch_size=2)
    model = make_model(has_labels)
    stream = generator.forfit(random=False)
    history = model.fit(stream, steps_per_epoch=len(generator), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert np.isfinite(history.history["loss"]).all()


def test_forfit_keeps_the_order_of_the_batches():
    generator = SentencesWithLabels(make_sentences([3, 3, 7, 5, 4, 8]), batch_size=2)
    model, by_hand = make_model(True), make_model(True)
    by_hand.set_weights(model.get_weights())
    model.fit(generator.forfit(random=False), steps_per_epoch=3, epochs=2, verbose=0)
    for inputs, targets in take(generator.forfit(random=False), 6):
        by_hand.train_on_batch(inputs, targets)
    for actual, expected in zip(model.get_weights(), by_hand.get_weights()):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


def test_forfit_stream_serves_several_fits():
    model = make_model(True)
    stream = SentencesWithLabels(make_sentences([6, 6, 9, 4]), batch_size=1).forfit(random=False)
    losses = [model.fit(stream, steps_per_epoch=2, verbose=0).history["loss"] for _ in range(3)]
    assert np.shape(losses) == (3, 1) and np.isfinite(losses).all()


def test_forfit_stream_serves_evaluate():
    generator = SentencesWithLabels(make_sentences([6, 6, 9]), batch_size=1)
    model = make_model(True)
    expected = np.mean([model.test_on_batch(*batch) for batch in generator])
    loss = model.evaluate(generator.forfit(random=False), steps=3, verbose=0)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_fortest_serves_predict():
    generator = Sentences(make_sentences([6, 6, 9]), batch_size=1)
    model = make_model(True)
    outputs = model.predict(generator.fortest(), steps=len(generator), verbose=0)
    expected = np.concatenate([model.predict_on_batch(inputs) for inputs, _ in generator])
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "options, error",
    [
        ({"batch_size": 0}, ValueError),
        ({"batch_size": -2}, ValueError),
        ({"batch_size": "2"}, TypeError),
        ({"batch_size": 2.5}, TypeError),
        ({"batch_size": True}, TypeError),
        ({"batch_size": None}, TypeError),
        ({"buffer_size": -1}, ValueError),
        ({"seed": -1}, ValueError),
        ({"seed": "x"}, TypeError),
        ({"length_func": 5}, TypeError),
    ],
)
def test_a_wrong_option_is_named(options, error):
    with pytest.raises(error, match=f"Expected {next(iter(options))} to be a"):
        Lists([1, 2, 3], **options)


class Table:
    """Looks like a table of pandas."""

    iloc = None

    def __len__(self):
        return 2

    def __iter__(self):
        return iter(["text", "label"])


@pytest.mark.parametrize(
    "data, remedy",
    [
        ("train.json", "Read the file first"),
        (Path("train.json"), "Read the file first"),
        (b"train.json", "Read the file first"),
        ({"a": 1}, r"Pass list\(data.items\(\)\)"),
        (Table(), "Pass its rows as a list"),
        (None, "Pass a list"),
        (5, "Pass a list"),
        (np.array(5), "an array with an axis of samples"),
    ],
)
def test_data_that_are_no_samples_are_refused(data, remedy):
    with pytest.raises(TypeError, match=f"Expected data to be a list of samples, got .*{remedy}"):
        Lists(data, 2)


@pytest.mark.parametrize("data", [{1, 2, 3}, {1: 0, 2: 0, 3: 0}.keys()])
def test_data_without_indices_are_shuffled_as_a_list(data):
    batches = [batch for batch, _ in Lists(data, 2).__iter__(random=True)]
    assert sorted(sum(batches, [])) == [1, 2, 3]


def test_a_length_func_that_returns_no_numbers_is_named():
    with pytest.raises(TypeError, match="Expected length_func to return numbers, got None"):
        next(Lists([1, 2, 3], 2, length_func=lambda sample: None).forfit())


def test_batches_are_lists_of_samples_in_order_or_shuffled():
    generator = DataGenerator(list(range(7)), batch_size=3, seed=1)
    assert list(generator.batches()) == [[0, 1, 2], [3, 4, 5], [6]]
    batches = list(generator.batches(random=True))
    assert list(map(len, batches)) == [3, 3, 1]
    assert sorted(sum(batches, [])) == list(range(7)) and batches[0] != [0, 1, 2]


def test_batches_of_no_samples_are_none():
    assert list(DataGenerator([]).batches()) == []
