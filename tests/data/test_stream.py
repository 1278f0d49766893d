"""What Keras is told about the shapes of batches."""

import threading
import time

import numpy as np

from bert4keras.data import Stream, as_batch
from bert4keras.data.stream import specimens


def shapes_that_may_differ(*batch):
    """For each array, the axes on which the two specimens differ, when both batches are alike."""
    first, second = specimens(batch, batch)
    return [
        [axis for axis in range(one.ndim) if one.shape[axis] != other.shape[axis]]
        for one, other in zip(first, second)
    ]


def test_lists_become_tuples_all_the_way_keras_looks():
    ids, labels = np.ones((2, 3)), np.ones(2)
    inputs, targets = as_batch([[ids, ids], labels])
    assert isinstance(inputs, tuple) and inputs[0] is ids and targets is labels
    assert as_batch(([ids], [labels, labels]))[1] == (labels, labels)
    assert as_batch({"ids": ids}) == ({"ids": ids},)


def test_ids_differ_in_length_and_so_does_all_that_has_their_length():
    ids, tags = np.ones((2, 7), "int64"), np.ones((2, 7, 4), "float32")
    assert shapes_that_may_differ(ids, tags) == [[1], [1]]


def test_spans_differ_in_number_even_when_each_row_has_one():
    ids, spans = np.ones((2, 7), "int64"), np.ones((2, 3, 1, 2), "int64")
    assert shapes_that_may_differ(ids, spans)[1] == [1, 2]


def test_one_label_a_row_stays_one():
    assert shapes_that_may_differ(np.ones((2, 1), "int64"), np.ones(2, "int64")) == [[], []]


def test_features_and_images_keep_their_sizes():
    images, features = np.ones((2, 8, 8, 3), "float32"), np.ones((2, 5), "float32")
    assert shapes_that_may_differ(images, features) == [[], []]


def test_what_differs_between_two_batches_differs():
    first, second = specimens((np.ones((2, 5)),), (np.ones((2, 6)),))
    assert first[0].shape[1] != second[0].shape[1]


def test_a_look_at_the_shapes_takes_no_batch():
    stream = Stream((np.full((1, 2), number), None) for number in range(9))
    assert [len(stream[number]) for number in (0, 1)] == [1, 1]
    stream.on_epoch_begin()
    served = [stream[number][0][0, 0] for number in range(3)]
    stream.on_epoch_end()
    # what reads ahead may still ask between two epochs
    served.append(stream[3][0][0, 0])
    assert served == [0, 1, 2, 3]
    assert next(stream)[0][0, 0] == 4


def test_every_look_sees_lengths_that_differ():
    stream = Stream((np.ones((1, 2), "int64"), None) for _ in range(9))
    for _ in range(2):
        assert stream[0][0].shape != stream[1][0].shape
        stream.on_epoch_begin()
        assert stream[0][0].shape == stream[1][0].shape == (1, 2)
        stream.on_epoch_end()


def test_two_readers_at_once_get_each_batch_once():
    def slowly():
        for number in range(20):
            time.sleep(0.001)
            yield np.full((1, 2), number), None

    stream, served = Stream(slowly()), []
    readers = [
        threading.Thread(target=lambda: served.extend(next(stream) for _ in range(10)))
        for _ in range(2)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert sorted(int(inputs[0, 0]) for inputs, _ in served) == list(range(20))


def test_the_batch_that_builds_a_model_also_trains_it():
    stream = Stream((np.full((1, 2), number), None) for number in range(9))
    served = []
    for numbers in ([0], [0, 1], [0, 1], [0], [0]):
        stream.on_epoch_begin()
        served.append([int(stream[number][0][0, 0]) for number in numbers])
        stream.on_epoch_end()
    assert served == [[0], [0, 1], [2, 3], [4], [5]]
