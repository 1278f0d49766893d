"""Samples of a generator as a tf.data.Dataset."""

import numpy as np
import pytest

from bert4keras.data import DataGenerator

pytest.importorskip("tensorflow")


class Samples(DataGenerator):
    """Yields single samples: ids and segments as lists, and one label."""

    def __iter__(self, random=False):
        for _, length in self.sample(random):
            yield [list(range(1, length + 1)), [0] * length], [[length]]


class Texts(DataGenerator):
    def __iter__(self, random=False):
        for _, length in self.sample(random):
            yield [1] * length


TYPES = (("float32", "float32"), ("float32",))
SHAPES = (([None], [None]), ([1],))
NAMES = (("Input-Token", "Input-Segment"), ("predict",))


def first(dataset):
    return next(dataset.as_numpy_iterator())


def test_to_dataset_pads_samples_into_batches():
    (tokens, segments), (labels,) = first(
        Samples([3, 3, 3], batch_size=2).to_dataset(TYPES, SHAPES, padded_batch=True)
    )
    assert tokens.dtype == np.float32
    assert tokens.tolist() == [[1, 2, 3]] * 2
    assert segments.shape == (2, 3)
    assert labels.tolist() == [[3], [3]]


def test_to_dataset_pads_shorter_samples_with_zeros():
    batch = first(Texts([2, 4], batch_size=2).to_dataset("int64", [None], padded_batch=True))
    assert sorted(batch.tolist()) == [[1, 1, 0, 0], [1, 1, 1, 1]]
    wide = first(Texts([2, 4], batch_size=2).to_dataset("int64", [6], padded_batch=True))
    assert wide.shape == (2, 6)


def test_to_dataset_puts_samples_of_similar_length_together_in_each_epoch():
    lengths = [int(x) for x in np.random.default_rng(0).permutation(45) + 1]
    texts = Texts(lengths, batch_size=10, seed=1, length_func=int)
    batches = texts.to_dataset("int64", [None], padded_batch=True).as_numpy_iterator()
    epochs = [[next(batches) for _ in range(len(texts))] for _ in range(2)]
    for epoch in epochs:
        assert sorted(x for batch in epoch for x in batch.sum(axis=1)) == sorted(lengths)
        assert all(np.ptp(batch.sum(axis=1)) < 10 for batch in epoch)
    orders = [[batch.shape[1] for batch in epoch] for epoch in epochs]
    assert orders[0] != orders[1] and orders[0] != sorted(orders[0])


def test_to_dataset_refuses_empty_data():
    with pytest.raises(Exception, match="Expected Texts to yield at least one batch"):
        first(Texts([], length_func=int).to_dataset("int64", [None], padded_batch=True))


def test_to_dataset_stacks_samples_of_one_shape():
    dataset = Texts([3], batch_size=4).to_dataset("int64", [3])
    assert first(dataset).tolist() == [[1, 1, 1]] * 4
    assert dataset.element_spec.shape.as_list() == [None, 3]


def test_to_dataset_makes_dicts_of_names():
    dataset = Samples([3], batch_size=2).to_dataset(TYPES, SHAPES, NAMES, padded_batch=True)
    inputs, targets = first(dataset)
    assert set(inputs) == {"Input-Token", "Input-Segment"}
    assert targets["predict"].tolist() == [[3], [3]]
    batch = first(Texts([3]).to_dataset("int64", [3], names="Input-Token"))
    assert batch["Input-Token"].shape == (32, 3)


def test_to_dataset_takes_lists_as_well_as_tuples():
    types, shapes = [["int64", "int64"], ["int64"]], [[[None], [None]], [[1]]]
    names = [["tokens", "segments"], ["label"]]
    dataset = Samples([2], batch_size=1).to_dataset(types, shapes, names, padded_batch=True)
    assert first(dataset)[0]["tokens"].tolist() == [[1, 2]]


def test_to_dataset_refuses_a_missing_name():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        Samples([3]).to_dataset(TYPES, SHAPES, (("Input-Token",), ("predict",)))
