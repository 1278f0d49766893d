"""Gradient checkpointing gives the same numbers, dropout and half precision included."""

import keras
import numpy as np
import pytest
from keras import ops
from optimizers import toy
from support import assert_close, compute_gradients

from bert4keras import backend, layers
from bert4keras.backend import recompute
from bert4keras.models import build_transformer_model

CONFIG = {
    "vocab_size": 30,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.3,
}
IDS = np.array([[2, 5, 7, 3], [2, 9, 3, 0]], "int32")
TARGETS = np.random.default_rng(0).normal(size=(2, 4, 30)).astype("float32")


def train(**options):
    """Return a model after three steps, each with another dropout."""
    keras.utils.set_random_seed(1)
    model = build_transformer_model(CONFIG, with_mlm="linear", application="lm", **options)
    model.compile(keras.optimizers.SGD(0.5), "mse", **toy.FAST_COMPILE)
    for _ in range(3):
        model.train_on_batch([IDS, 0 * IDS], TARGETS)
    return model


def assert_same_weights(models, tolerance):
    first, second = (model.get_weights() for model in models)
    for got, want in zip(first, second, strict=True):  # the states of dropout among them
        np.testing.assert_allclose(got, want, atol=tolerance)


@pytest.mark.parametrize("policy, tolerance", [("float32", 1e-5), ("mixed_bfloat16", 4e-3)])
def test_recompute_changes_no_gradient(policy, tolerance):
    keras.config.set_dtype_policy(policy)
    assert_same_weights([train(), train(recompute=True)], tolerance)


def test_recompute_environment_variable_turns_it_on(monkeypatch):
    assert not backend.do_recompute
    plain = train()
    monkeypatch.setattr(recompute, "do_recompute", True)
    assert_same_weights([plain, train()], 1e-5)


@pytest.mark.skipif(toy.BACKEND == "jax", reason="JAX runs Python once and repeats the program")
@pytest.mark.parametrize("training, times", [(True, 2), (False, 1)])
def test_recompute_repeats_activations_in_training_only(training, times):
    calls = []
    layer = layers.FeedForward(3, activation=lambda x: calls.append(x) or x, recompute=True)

    def loss(inputs):
        return ops.sum(layer(inputs[0], training=training))

    compute_gradients(loss, [np.ones((2, 4), "float32")])
    assert len(calls) == times


def test_recompute_is_saved_and_predicts_the_same(tmp_path):
    model = train(recompute=True)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.get_layer("Transformer-1-FeedForward").recompute
    assert "recompute" not in layers.FeedForward(3).get_config()
    assert_close(copy.predict([IDS, 0 * IDS], verbose=0), model.predict([IDS, 0 * IDS], verbose=0))


@pytest.mark.parametrize("kind", ["int32", "float32"])
def test_recompute_refuses_a_layer_that_changes_other_states(kind):
    class Counts(layers.Layer):
        def build(self, shape):
            self.count = self.add_weight(shape=(), dtype=kind, trainable=False, name="count")

        @backend.recompute_grad
        def call(self, inputs):
            self.count.assign(self.count + 1)
            return inputs

    layer = Counts(recompute=True, name="counts")
    with pytest.raises(ValueError, match="the layer changed 'counts/count'. Leave recompute_grad"):
        layer(np.ones((2, 3), "float32"), training=True)
