"""BatchStream: shape probes for Keras, and each batch once."""

import threading
import time

import numpy as np

from bert4keras.data.stream import BatchStream, make_shape_probes, to_keras_batch


def differing_axes(*batch):
    """Return for each array the axes on which the probes of two equal batches differ."""
    first, second = make_shape_probes(batch, batch)
    return [
        [axis for axis in range(x.ndim) if x.shape[axis] != y.shape[axis]]
        for x, y in zip(first, second)
    ]


def test_to_keras_batch_converts_lists_to_tuples():
    ids, labels = np.ones((2, 3)), np.ones(2)
    inputs, targets = to_keras_batch([[ids, ids], labels])
    assert isinstance(inputs, tuple) and inputs[0] is ids and targets is labels
    assert to_keras_batch(([ids], [labels, labels]))[1] == (labels, labels)
    assert to_keras_batch({"ids": ids}) == ({"ids": ids},)


def test_shape_probes_differ_in_the_length_of_ids_and_of_arrays_as_long():
    ids, tags = np.ones((2, 7), "int64"), np.ones((2, 7, 4), "float32")
    assert differing_axes(ids, tags) == [[1], [1]]


def test_shape_probes_differ_in_the_number_of_spans():
    ids, spans = np.ones((2, 7), "int64"), np.ones((2, 3, 1, 2), "int64")
    assert differing_axes(ids, spans)[1] == [1, 2]


def test_shape_probes_keep_one_label_per_row():
    assert differing_axes(np.ones((2, 1), "int64"), np.ones(2, "int64")) == [[], []]


def test_shape_probes_keep_the_sizes_of_features_and_images():
    images, features = np.ones((2, 8, 8, 3), "float32"), np.ones((2, 5), "float32")
    assert differing_axes(images, features) == [[], []]


def test_shape_probes_differ_where_the_batches_do():
    first, second = make_shape_probes((np.ones((2, 5)),), (np.ones((2, 6)),))
    assert first[0].shape[1] != second[0].shape[1]


def test_batch_stream_loses_no_batch_to_shape_probes():
    stream = BatchStream((np.full((1, 2), number), None) for number in range(9))
    assert [len(stream[number]) for number in (0, 1)] == [1, 1]
    stream.on_epoch_begin()
    batches = [stream[number][0][0, 0] for number in range(3)]
    stream.on_epoch_end()
    # a reader that is ahead may still request a batch between two epochs
    batches.append(stream[3][0][0, 0])
    assert batches == [0, 1, 2, 3]
    assert next(stream)[0][0, 0] == 4


def test_batch_stream_probes_have_different_lengths_before_each_epoch():
    stream = BatchStream((np.ones((1, 2), "int64"), None) for _ in range(9))
    for _ in range(2):
        assert stream[0][0].shape != stream[1][0].shape
        stream.on_epoch_begin()
        assert stream[0][0].shape == stream[1][0].shape == (1, 2)
        stream.on_epoch_end()


def test_batch_stream_gives_each_batch_once_to_two_threads():
    def slowly():
        for number in range(20):
            time.sleep(0.001)
            yield np.full((1, 2), number), None

    stream, batches = BatchStream(slowly()), []
    readers = [
        threading.Thread(target=lambda: batches.extend(next(stream) for _ in range(10)))
        for _ in range(2)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert sorted(int(inputs[0, 0]) for inputs, _ in batches) == list(range(20))


def test_batch_stream_repeats_the_batch_that_builds_a_model():
    stream = BatchStream((np.full((1, 2), number), None) for number in range(9))
    batches = []
    for requests in ([0], [0, 1], [0, 1], [0], [0]):
        stream.on_epoch_begin()
        batches.append([int(stream[number][0][0, 0]) for number in requests])
        stream.on_epoch_end()
    assert batches == [[0], [0, 1], [2, 3], [4], [5]]
