"""Every hook in the table of ``transformer.py`` can be overridden, as people's subclasses do."""

import re

import keras
import numpy as np
import pytest
from keras import ops
from support import GOLDEN, compute_outputs

from bert4keras import layers
from bert4keras.models import BERT, build_transformer_model, transformer

BASE = GOLDEN / "models" / "bert"
CONFIG, CHECKPOINT = BASE / "config.json", BASE / "bert_model.ckpt"
TOKENS, SEGMENTS = np.array([[2, 7, 9, 11, 3]]), np.array([[0, 0, 0, 1, 1]])
TABLE = re.findall(r"^``(\w+)\(", transformer.__doc__, re.MULTILINE)
CHECKS = {}


def overrides(hook):
    """A test of one hook; every hook has one."""

    def keep(check):
        CHECKS[hook] = check
        return check

    return keep


def build(family=BERT, **options):
    return build_transformer_model(CONFIG, CHECKPOINT, model=family, **options)


def predict(model, *inputs):
    return compute_outputs(model, inputs or (TOKENS, SEGMENTS))[0]


@pytest.mark.parametrize("hook", TABLE)
def test_a_subclass_that_overrides_a_hook_is_obeyed(hook, tmp_path):
    CHECKS[hook](tmp_path)


@overrides("get_inputs")
def _(_):
    class TokensAlone(BERT):
        def get_inputs(self):
            self.segment_vocab_size = 0
            return self.apply(layer=keras.Input, shape=(None,), dtype="int32", name="My-Tokens")

    model = build(TokensAlone)
    assert [x.name for x in model.inputs] == ["My-Tokens"]
    want = predict(build(segment_vocab_size=0), TOKENS)
    np.testing.assert_array_equal(predict(model, TOKENS), want)


@overrides("apply_embeddings")
def _(_):
    class Scaled(BERT):
        def apply_embeddings(self, inputs):
            x = super().apply_embeddings(inputs)
            return self.apply(x, keras.layers.Rescaling, scale=0.0, name="Scaled")

    assert np.ptp(predict(build(Scaled))[0], axis=0).max() < 1e-5  # all positions are alike


@overrides("sum_embeddings")
def _(_):
    class Doubled(BERT):
        def sum_embeddings(self, inputs):
            x = super().sum_embeddings(inputs)
            return self.apply([x, x], layers.Add, name="Doubled")

    sums = [layer.name for layer in build(Doubled).layers]
    assert sums.index("Embedding-Norm") == sums.index("Doubled") + 1


@overrides("embed_positions")
def _(_):
    class Nowhere(BERT):
        def embed_positions(self, inputs):
            return inputs

    got = predict(build(Nowhere), np.array([[7, 7, 7]]), np.zeros((1, 3)))
    assert np.ptp(got[0], axis=0).max() < 1e-5


@overrides("block_name")
def _(_):
    class Shared(BERT):
        def block_name(self, index):
            return f"Transformer-{index % 2}"

    names = {layer.name for layer in build(Shared).layers}
    assert "Transformer-1-FeedForward" in names and "Transformer-2-FeedForward" not in names


@overrides("apply_main_layers")
def _(_):
    class EveryOther(BERT):
        def apply_main_layers(self, inputs, index):
            return super().apply_main_layers(inputs, index) if index % 2 == 0 else inputs

    names = {layer.name for layer in build(EveryOther).layers}
    assert "Transformer-2-FeedForward" in names and "Transformer-1-FeedForward" not in names


@overrides("self_attention")
def _(_):
    class Blind(BERT):
        def self_attention(self, x, name, index):
            return self.apply(x, keras.layers.Rescaling, scale=0.0, name=f"{name}-None")

    new_tokens = TOKENS.copy()
    new_tokens[0, 1] = 12
    model = build(Blind)
    np.testing.assert_allclose(
        predict(model)[0, 2:], predict(model, new_tokens, SEGMENTS)[0, 2:], atol=1e-6
    )


@overrides("attention")
def _(_):
    class Unscaled(BERT):
        def attention(self, inputs, name, bias=None, position=None, **options):
            return super().attention(inputs, name, bias, position, attention_scale=False)

    layer = build(Unscaled).get_layer("Transformer-0-MultiHeadSelfAttention")
    assert layer.attention_scale is False


@overrides("feed_forward")
def _(_):
    class Linear(BERT):
        def feed_forward(self, x, name):
            self.hidden_act = "linear"
            return super().feed_forward(x, name)

    layer = build(Linear).get_layer("Transformer-0-FeedForward")
    assert layer.activation[0] is keras.activations.linear


@overrides("residual")
def _(_):
    class PreNorm(BERT):
        def residual(self, x, name, sublayer):
            y = sublayer(self.normalize(x, f"{name}-Norm"), name)
            return self.apply([x, y], layers.Add, name=f"{name}-Add")

    assert build(PreNorm).layers[-1].name.endswith("FeedForward-Add")


@overrides("normalize")
def _(_):
    class Coarse(BERT):
        def normalize(self, x, name, epsilon=None):
            return super().normalize(x, name, 0.5)

    assert build(Coarse).get_layer("Embedding-Norm").epsilon == 0.5


@overrides("dropout")
def _(_):
    class NoDropout(BERT):
        def dropout(self, x, name):
            return x

    names = [layer.name for layer in build(NoDropout, dropout_rate=0.5).layers]
    assert not [name for name in names if name.endswith("-Dropout")]


@overrides("compute_attention_bias")
def _(_):
    class Causal(BERT):
        def compute_attention_bias(self, index=None):
            if self.attention_bias is None:

                def lower(ids):
                    positions = ops.arange(ops.shape(ids)[1])
                    return (positions[None, :] <= positions[:, None])[None]

                self.attention_bias = self.apply(
                    self.inputs[0],
                    keras.layers.Lambda,
                    function=lower,
                    output_shape=(None, None),
                    name="My-Mask",
                )
            return self.attention_bias

    want = predict(build(application="lm", with_mlm="linear"))
    np.testing.assert_allclose(predict(build(Causal, with_mlm="linear")), want, atol=1e-6)


@overrides("compute_position_bias")
def _(_):
    class Rotary(BERT):
        position_kind = "rotary"

        def compute_position_bias(self, inputs=None):
            if self.position_bias is None:
                self.position_bias = self.apply(
                    inputs,
                    layers.SinusoidalPositionEmbedding,
                    output_dim=self.attention_key_size,
                    merge_mode="zero",
                    name="My-Rotary",
                )
            return self.position_bias

    assert np.abs(predict(build(Rotary)) - predict(build())).max() > 1e-3


@overrides("apply_final_layers")
def _(_):
    class Classifier(BERT):
        def apply_final_layers(self, inputs):
            x = self.apply(inputs, layers.GlobalAveragePooling1D, name="Mean")
            return self.apply(x, keras.layers.Dense, units=3, activation="softmax", name="Classes")

    np.testing.assert_allclose(predict(build(Classifier)).sum(), 1, rtol=1e-5)


@overrides("apply_heads")
def _(_):
    class Tanh(BERT):
        def apply_heads(self, inputs):
            return self.apply(inputs, keras.layers.Activation, activation="tanh", name="My-Tanh")

    np.testing.assert_allclose(predict(build(Tanh)), np.tanh(predict(build())), rtol=1e-4)


@overrides("variable_mapping")
def _(_):
    class Renamed(BERT):
        def variable_mapping(self):
            mapping = super().variable_mapping()
            mapping["Transformer-0-FeedForward"] = mapping["Transformer-1-FeedForward"]
            return mapping

    model = build(Renamed)
    first, second = (model.get_layer(f"Transformer-{i}-FeedForward").get_weights() for i in (0, 1))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@overrides("load_variable")
def _(_):
    class Doubled(BERT):
        def load_variable(self, checkpoint, name):
            return super().load_variable(checkpoint, name) * 2

    for a, b in zip(build().weights, build(Doubled).weights, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a) * 2, ops.convert_to_numpy(b), rtol=1e-6)


@overrides("load_embeddings")
def _(_):
    class Reversed(BERT):
        def load_embeddings(self, embeddings):
            return embeddings[::-1]

    models = build(), build(Reversed)
    rows, reversed_rows = (x.get_layer("Embedding-Token").get_weights()[0] for x in models)
    np.testing.assert_array_equal(rows[::-1], reversed_rows)


@overrides("create_variable")
def _(folder):
    class Halved(BERT):
        def create_variable(self, name, value, dtype=None):
            return super().create_variable(name, value / 2, dtype)

    bert = build(Halved, return_keras_model=False)
    bert.save_weights_as_checkpoint(folder / "model.h5")
    copy = build_transformer_model(CONFIG, folder / "model.h5")
    for a, b in zip(bert.model.weights, copy.weights, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a) / 2, ops.convert_to_numpy(b), rtol=1e-6)


@overrides("parse_config")
def _(_):
    class Shallow(BERT):
        @classmethod
        def parse_config(cls, config):
            return {**super().parse_config(config), "num_hidden_layers": 1}

    assert build(Shallow, return_keras_model=False).num_hidden_layers == 1


@overrides("adapt_config")
def _(_):
    class AsStored(BERT):
        @classmethod
        def adapt_config(cls, config, checkpoint):
            rows = len(checkpoint["bert/embeddings/word_embeddings"])
            return {**config, "vocab_size": rows}

    model = build_transformer_model(CONFIG, CHECKPOINT, model=AsStored, vocab_size=7)
    assert model.get_layer("Embedding-Token").input_dim == 120


class TestApply:
    def test_a_layer_is_made_once_and_found_by_its_name(self):
        class Twice(BERT):
            def apply_final_layers(self, inputs):
                x = self.apply(inputs, keras.layers.Dense, units=32, name="Mine")
                return self.apply(x, name="Mine")

        bert = build(Twice, return_keras_model=False)
        assert bert.apply(name="Mine") is bert.layers["Mine"]
        assert len(bert.layers["Mine"].weights) == 2

    def test_dropout_at_rate_0_is_left_out(self):
        bert = build(dropout_rate=0, return_keras_model=False)
        assert bert.apply("x", keras.layers.Dropout, rate=0.5, name="Mine") == "x"
        assert not [name for name in bert.layers if name.endswith("Dropout")]

    def test_attention_called_directly_has_the_scores_of_the_block_before(self):
        class Direct(BERT):
            def self_attention(self, x, name, index):
                sizes = {"heads": self.num_attention_heads, "head_size": self.attention_head_size}
                return self.apply([x, x, x], layers.MultiHeadAttention, **sizes, name=name)

        want = predict(build(residual_attention_scores=True))
        np.testing.assert_allclose(predict(build(Direct, residual_attention_scores=True)), want)
        assert np.abs(predict(build(Direct)) - want).max() > 1e-3

    def test_recompute_is_set_on_the_layers_that_it_makes(self):
        layer = build(recompute=True).get_layer("Transformer-0-FeedForward")
        assert layer.recompute and not build().get_layer(layer.name).recompute
