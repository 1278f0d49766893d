"""Load plan: every weight gets its variable, or none changes."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from bert4keras.checkpoints import CheckpointError, LoadPlan, MismatchError, open_checkpoint
from bert4keras.checkpoints.checkpoint import Checkpoint


class Weight:
    """A weight that stores what it was assigned."""

    def __init__(self, shape):
        self.shape, self.value = shape, None

    def assign(self, value):
        self.value = value


def layer_weights(name, shapes, names):
    return SimpleNamespace(name=name), [Weight(shape) for shape in shapes], names


TENSORS = {
    "bert/embeddings/word_embeddings": np.ones((9, 4)),
    "bert/pooler/dense/kernel": np.eye(4),
    "bert/pooler/dense/bias": np.zeros(4),
}


class CountingCheckpoint(Checkpoint):
    """A checkpoint that lists the tensors it reads; reading ``damaged_name`` fails."""

    def __init__(self, has_checksums=False, damaged_name=None):
        super().__init__("a file", TENSORS)
        self.has_checksums, self.damaged_name, self.reads = has_checksums, damaged_name, []

    def _read(self, name):
        self.reads.append(name)
        if name == self.damaged_name:
            raise CheckpointError("damaged")
        return TENSORS[name]

    def _shape(self, name):
        return TENSORS[name].shape

    def _dtype(self, name):
        return str(TENSORS[name].dtype)


@pytest.fixture
def pooler():
    return layer_weights("Pooler-Dense", [(4, 4), (4,)], list(TENSORS)[1:])


@pytest.fixture
def misfits():
    return [
        layer_weights("Embedding-Token", [(7, 4)], ["bert/embeddings/word_embeddings"]),
        layer_weights("MLM-Norm", [(4,)], ["cls/predictions/transform/LayerNorm/beta"]),
    ]


def plan(*items, checkpoint=None, **options):
    return LoadPlan(checkpoint or open_checkpoint(TENSORS), lambda: items, **options)


class TestLoadPlan:
    def test_every_weight_gets_its_variable(self, pooler):
        plan(pooler).apply()
        np.testing.assert_array_equal(pooler[1][0].value, np.eye(4))
        np.testing.assert_array_equal(pooler[1][1].value, np.zeros(4))

    def test_one_report_names_every_mismatch_and_the_remedies(self, pooler, misfits):
        with pytest.raises(MismatchError) as caught:
            plan(pooler, *misfits).apply()
        assert str(caught.value) == (
            "Checkpoint does not fit the model (2 of 4 weights):\n"
            "  Embedding-Token: `bert/embeddings/word_embeddings` has shape (9, 4), expected (7, 4)"
            "\n  MLM-Norm: no variable `cls/predictions/transform/LayerNorm/beta`\n"
            "Pass keep_tokens=... to select rows, or autoresize_weights=True, "
            "or ignore_invalid_weights=True to leave these as initialised."
        )

    def test_a_checkpoint_that_does_not_fit_changes_nothing(self, pooler, misfits):
        with pytest.raises(MismatchError, match="does not fit"):
            plan(pooler, *misfits).apply()
        items = [pooler, *misfits]
        assert all(weight.value is None for _, weights, _ in items for weight in weights)

    def test_misfits_may_be_left_as_initialised_and_are_reported_once(self, pooler, misfits):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            plan(pooler, *misfits).apply(ignore_invalid=True)
        assert len(caught) == 1 and "2 of 4 weights" in str(caught[0].message)
        assert pooler[1][0].value is not None
        assert misfits[0][1][0].value is None and misfits[1][1][0].value is None

    def test_a_layer_needs_as_many_names_as_weights(self):
        layer = layer_weights("MLM-Bias", [(9,), (9,)], ["cls/predictions/output_bias"])
        with pytest.raises(ValueError, match="MLM-Bias: 1 variables are named for 2 weights"):
            plan(layer).apply()

    def test_tensors_may_be_resized_by_layer_and_place(self, pooler):
        def resize(layer, index, array):
            assert layer.name == "Pooler-Dense"
            return array + index

        plan(pooler, resize=resize).apply()
        np.testing.assert_array_equal(pooler[1][1].value, np.ones(4))

    def test_an_error_of_resizing_is_a_mismatch(self, pooler):
        def resize(layer, index, array):
            raise ValueError("window 2")

        with pytest.raises(ValueError, match="Pooler-Dense: `bert/pooler/dense/kernel`: window 2"):
            plan(pooler, resize=resize).apply()

    def test_keras_weights_are_filled_in_their_own_type(self):
        import keras

        layer = keras.layers.Dense(4, name="Pooler-Dense", dtype="mixed_bfloat16")
        layer.build((None, 4))
        plan((layer, layer.weights, list(TENSORS)[1:])).apply()
        np.testing.assert_array_equal(layer.get_weights()[0], np.eye(4, dtype="float32"))


class TestTypes:
    @pytest.mark.parametrize(
        "dtype", ["int8", "int64", "uint8", "bool", "complex64", "float8_e4m3fn", "float4_e2m1fn"]
    )
    def test_numbers_of_other_types_are_no_weights(self, pooler, dtype):
        tensors = {**TENSORS, "bert/pooler/dense/kernel": np.eye(4).astype(dtype)}
        with pytest.raises(MismatchError) as caught:
            plan(pooler, checkpoint=open_checkpoint(tensors)).apply()
        report = str(caught.value)
        assert f"Pooler-Dense: `bert/pooler/dense/kernel` has the type {dtype}" in report
        assert "quantized" in report and "ignore_invalid_weights" not in report
        assert all(weight.value is None for weight in pooler[1])

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", ">f4"])
    def test_all_floating_types_are_weights(self, pooler, dtype):
        tensors = {**TENSORS, "bert/pooler/dense/kernel": np.eye(4).astype(dtype)}
        plan(pooler, checkpoint=open_checkpoint(tensors)).apply()
        np.testing.assert_array_equal(pooler[1][0].value.astype("float32"), np.eye(4))

    def test_a_hook_may_make_weights_of_integers(self, pooler):
        tensors = {**TENSORS, "bert/pooler/dense/kernel": np.eye(4, dtype="int8")}
        options = {"checkpoint": open_checkpoint(tensors), "predicts_shapes": False}
        with pytest.raises(MismatchError, match="has the type int8"):
            plan(pooler, **options).apply()
        plan(pooler, load=lambda file, name: file[name] / 127, **options).apply()
        assert pooler[1][0].value.max() == np.float64(1 / 127)

    def test_a_weight_of_integers_takes_integers(self):
        layer = layer_weights("Counts", [(3,)], ["counts"])
        layer[1][0].dtype = "int32"
        plan(layer, checkpoint=open_checkpoint({"counts": np.arange(3)})).apply()
        assert layer[1][0].value.tolist() == [0, 1, 2]


class TestReads:
    def test_each_tensor_is_read_once(self, pooler):
        checkpoint = CountingCheckpoint()
        plan(pooler, checkpoint=checkpoint).apply()
        assert checkpoint.reads == list(TENSORS)[1:]

    def test_a_report_reads_no_tensor(self, pooler, misfits):
        checkpoint = CountingCheckpoint()
        with pytest.raises(MismatchError):
            plan(pooler, *misfits, checkpoint=checkpoint).apply()
        assert checkpoint.reads == []

    def test_tensors_whose_shapes_cannot_be_predicted_are_read_to_check_them(self, pooler):
        def load(checkpoint, name):
            array = checkpoint[name]
            return array[array.any(axis=-1)] if array.ndim > 1 else array

        checkpoint = CountingCheckpoint()
        plan(pooler, checkpoint=checkpoint, load=load, predicts_shapes=False).apply()
        assert checkpoint.reads == list(TENSORS)[1:] * 2

    def test_damage_shows_before_a_weight_of_a_model_in_use_changes(self, pooler):
        checkpoint = CountingCheckpoint(has_checksums=True, damaged_name="bert/pooler/dense/bias")
        with pytest.raises(CheckpointError, match="^damaged$"):
            plan(pooler, checkpoint=checkpoint).apply(ignore_invalid=True)
        assert all(weight.value is None for weight in pooler[1])

    def test_a_new_model_is_filled_by_one_read_whatever_the_format(self, pooler):
        checkpoint = CountingCheckpoint(has_checksums=True)
        plan(pooler, checkpoint=checkpoint).apply(is_new_model=True)
        assert checkpoint.reads == list(TENSORS)[1:]

    def test_tensors_are_in_memory_one_at_a_time(self, pooler):
        alive = []

        class Counted(np.ndarray):
            def __del__(self):
                alive.remove(id(self))

        def load(checkpoint, name):
            array = checkpoint[name]
            if isinstance(checkpoint, CountingCheckpoint):
                assert len(alive) <= 1  # the last one may live until this one is read
                array = array.copy().view(Counted)
                alive.append(id(array))
            return array

        pooler[1][0].assign = pooler[1][1].assign = lambda value: None
        plan(pooler, checkpoint=CountingCheckpoint(), load=load).apply()
        assert not alive
