"""Loading fills every weight or changes none."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from bert4keras.checkpoints import CheckpointError, load_weights


class Weight:
    """A weight that remembers what it was given."""

    def __init__(self, shape):
        self.shape, self.value = shape, None

    def assign(self, value):
        self.value = value


def pair(name, shapes, names):
    return SimpleNamespace(name=name), [Weight(shape) for shape in shapes], names


TENSORS = {
    "bert/embeddings/word_embeddings": np.ones((9, 4)),
    "bert/pooler/dense/kernel": np.eye(4),
    "bert/pooler/dense/bias": np.zeros(4),
}


@pytest.fixture
def pooler():
    return pair("Pooler-Dense", [(4, 4), (4,)], list(TENSORS)[1:])


@pytest.fixture
def misfits():
    return [
        pair("Embedding-Token", [(7, 4)], ["bert/embeddings/word_embeddings"]),
        pair("MLM-Norm", [(4,)], ["cls/predictions/transform/LayerNorm/beta"]),
    ]


def test_every_weight_is_filled_with_its_variable(pooler):
    load_weights([pooler], TENSORS.__getitem__)
    np.testing.assert_array_equal(pooler[1][0].value, np.eye(4))
    np.testing.assert_array_equal(pooler[1][1].value, np.zeros(4))


def test_one_report_names_every_fault_and_the_remedies(pooler, misfits):
    with pytest.raises(ValueError) as caught:
        load_weights([pooler, *misfits], TENSORS.__getitem__)
    assert str(caught.value) == (
        "Checkpoint does not fit the model (2 of 4 weights):\n"
        "  Embedding-Token: `bert/embeddings/word_embeddings` has shape (9, 4), expected (7, 4)\n"
        "  MLM-Norm: no variable `cls/predictions/transform/LayerNorm/beta`\n"
        "Pass keep_tokens=... to select rows, or autoresize_weights=True, "
        "or ignore_invalid_weights=True to leave these as initialised."
    )


def test_a_checkpoint_that_does_not_fit_changes_nothing(pooler, misfits):
    with pytest.raises(ValueError, match="does not fit"):
        load_weights([pooler, *misfits], TENSORS.__getitem__)
    assert all(weight.value is None for _, weights, _ in [pooler, *misfits] for weight in weights)


def test_misfits_may_be_left_as_initialised_and_are_reported_once(pooler, misfits):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_weights([pooler, *misfits], TENSORS.__getitem__, ignore_invalid=True)
    assert len(caught) == 1 and "2 of 4 weights" in str(caught[0].message)
    assert pooler[1][0].value is not None
    assert misfits[0][1][0].value is None and misfits[1][1][0].value is None


def test_a_layer_needs_as_many_names_as_weights():
    layer = pair("MLM-Bias", [(9,), (9,)], ["cls/predictions/output_bias"])
    with pytest.raises(ValueError, match="MLM-Bias: 1 variables are named for 2 weights"):
        load_weights([layer], TENSORS.__getitem__)


def test_tensors_may_be_fitted_by_layer_and_place(pooler):
    def fit(layer, index, array):
        assert layer.name == "Pooler-Dense"
        return array + index

    load_weights([pooler], TENSORS.__getitem__, fit)
    np.testing.assert_array_equal(pooler[1][1].value, np.ones(4))


def test_what_cannot_be_fitted_is_a_fault_like_others(pooler):
    def fit(layer, index, array):
        raise ValueError("window 2")

    with pytest.raises(ValueError, match="Pooler-Dense: `bert/pooler/dense/kernel`: window 2"):
        load_weights([pooler], TENSORS.__getitem__, fit)


def test_a_damaged_file_is_never_ignored(pooler):
    def read(name):
        raise CheckpointError("damaged")

    with pytest.raises(CheckpointError, match="^damaged$"):
        load_weights([pooler], read, ignore_invalid=True)


def test_tensors_are_held_one_at_a_time(pooler):
    held = []

    class Counted(np.ndarray):
        def __del__(self):
            held.remove(id(self))

    def read(name):
        assert len(held) <= 1  # the one before may live until this one is there
        array = TENSORS[name].copy().view(Counted)
        held.append(id(array))
        return array

    pooler[1][0].assign = pooler[1][1].assign = lambda value: None
    load_weights([pooler], read)
    assert not held


def test_keras_weights_are_filled_in_their_own_type():
    import keras

    layer = keras.layers.Dense(4, name="Pooler-Dense", dtype="mixed_bfloat16")
    layer.build((None, 4))
    load_weights([(layer, layer.weights, list(TENSORS)[1:])], TENSORS.__getitem__)
    np.testing.assert_array_equal(layer.get_weights()[0], np.eye(4, dtype="float32"))
