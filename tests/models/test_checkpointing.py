"""Checkpoint mixin: one load plan fills a model, and who opens a checkpoint closes it."""

import keras
import numpy as np
import pytest
from keras import ops
from support import GOLDEN, randomize_weights, unpack

from bert4keras.checkpoints import CheckpointError, MismatchError, open_checkpoint, write_tf1
from bert4keras.models import BERT, build_transformer_model
from bert4keras.models.checkpointing import _create_variables
from bert4keras.models.skip_initialization import skip_initialization

CONFIG = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}
FILES = ["m.ckpt", "m.safetensors", "m.h5", "m.weights.h5", "keras2", "dict"]


def weights_of(built):
    return [ops.convert_to_numpy(weight) for weight in built.model.weights]


def assert_weights(built, expected):
    for got, want in zip(weights_of(built), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def variables_of(built):
    """Return name -> array, as a checkpoint has them."""
    return dict(_create_variables(built, built.variable_mapping(), None))


@pytest.fixture
def bert():
    return randomize_weights(build_transformer_model(CONFIG, return_keras_model=False))


@pytest.fixture(params=FILES)
def files(request, tmp_path, bert):
    """Configuration and checkpoint, in each format."""
    if request.param == "keras2":
        unpack(GOLDEN / "legacy_weights" / "bert_crf.tar.xz", tmp_path)
        return tmp_path / "config.json", tmp_path / "best_model.weights"
    path = tmp_path / request.param
    if request.param == "dict":
        return CONFIG, variables_of(bert)
    if request.param == "m.weights.h5":
        bert.model.save_weights(path)
    else:
        bert.save_weights_as_checkpoint(path)
    return CONFIG, path


class TestOwnership:
    def test_build_transformer_model_leaves_an_open_checkpoint_open(self, files):
        config, source = files
        expected = weights_of(build_transformer_model(config, source, return_keras_model=False))
        with open_checkpoint(source) as checkpoint:
            for _ in range(2):
                built = build_transformer_model(config, checkpoint, return_keras_model=False)
                assert_weights(built, expected)
            assert checkpoint[next(iter(checkpoint))] is not None

    def test_load_weights_from_checkpoint_leaves_an_open_checkpoint_open(self, files):
        config, source = files
        expected = weights_of(build_transformer_model(config, source, return_keras_model=False))
        built = build_transformer_model(config, return_keras_model=False)
        with open_checkpoint(source) as checkpoint:
            for _ in range(2):
                built.load_weights_from_checkpoint(checkpoint)
            assert_weights(built, expected)
            assert checkpoint[next(iter(checkpoint))] is not None


class TestLoading:
    def test_a_damaged_body_leaves_a_model_in_use_unchanged(self, tmp_path, bert):
        tensors = variables_of(bert)
        write_tf1(tmp_path / "m.ckpt", tensors)
        data = tmp_path / "m.ckpt.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:-8] + b"\1" * 8)
        before = weights_of(bert)
        randomize_weights(bert).model.set_weights([weight + 1 for weight in before])
        expected = weights_of(bert)
        with pytest.raises(CheckpointError, match="cannot read"):
            bert.load_weights_from_checkpoint(tmp_path / "m.ckpt")
        assert_weights(bert, expected)

    def test_a_hook_that_changes_shapes_by_values_is_checked_by_reading(self, bert):
        tensors = variables_of(bert)

        class OnlyPositive(BERT):
            def load_variable(self, checkpoint, name):
                variable = super().load_variable(checkpoint, name)
                return variable[variable > 0] if variable.ndim == 1 else variable

        built = build_transformer_model(CONFIG, model=OnlyPositive, return_keras_model=False)
        before = weights_of(built)
        with pytest.raises(MismatchError, match="has shape"):
            built.load_weights_from_checkpoint(tensors)
        assert_weights(built, before)

    def test_shared_layers_are_unchanged_by_a_checkpoint_that_does_not_fit(self, bert):
        before = weights_of(bert)
        tensors = {name: np.zeros(3) for row in bert.variable_mapping().values() for name in row}
        with pytest.raises(MismatchError):
            build_transformer_model(CONFIG, tensors, layers=bert.layers)
        assert_weights(bert, before)


class TestSkipInitialization:
    def test_layers_that_a_checkpoint_provides_begin_at_zero(self):
        with skip_initialization(["Transformer-0-FeedForward"]):
            model = build_transformer_model(CONFIG)
        kernels = [model.get_layer(f"Transformer-{i}-FeedForward").get_weights()[0] for i in (0, 1)]
        assert not kernels[0].any() and kernels[1].any()

    def test_a_new_layer_of_a_script_is_initialized(self, bert):
        tensors = variables_of(bert)

        class Classifier(BERT):
            def apply_final_layers(self, inputs):
                x = super().apply_final_layers(inputs)
                return self.dense(x, 3, "Classes")

        model = build_transformer_model(CONFIG, tensors, model=Classifier)
        assert model.get_layer("Classes").get_weights()[0].any()

    def test_maps_of_a_condition_are_initialized(self, bert):
        tensors = variables_of(bert)
        condition = keras.Input((4,))
        model = build_transformer_model(
            CONFIG,
            tensors,
            layer_norm_cond=condition,
            layer_norm_cond_hidden_size=3,
            additional_input_layers=condition,
        )
        weights = model.get_layer("Embedding-Norm").weights
        hidden = [weight for weight in weights if tuple(weight.shape) == (4, 3)]
        assert len(hidden) == 1 and ops.convert_to_numpy(hidden[0]).any()

    def test_weights_that_are_missing_are_initialized(self, bert):
        tensors = variables_of(bert)
        del tensors["bert/encoder/layer_1/intermediate/dense/kernel"]
        with pytest.warns(UserWarning, match="no variable"):
            model = build_transformer_model(CONFIG, tensors, ignore_invalid_weights=True)
        assert model.get_layer("Transformer-1-FeedForward").get_weights()[0].any()
