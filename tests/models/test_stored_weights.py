"""Weights as a checkpoint holds them: LoRA is merged, quantized layers are refused."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from bert4keras.models import build_transformer_model
from bert4keras.models.stored_weights import merge_lora

CONFIG = dict(
    vocab_size=13,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    hidden_act="gelu",
    max_position=8,
)
IDS = np.array([[5, 6, 7], [4, 3, 2]])


def build(**options):
    return build_transformer_model(CONFIG, model="gpt2", return_keras_model=False, **options)


def enable_lora(built):
    """Enable LoRA in the embedding and in all dense layers, with random factors."""
    count = 0
    for layer in built.model._flatten_layers():
        if hasattr(layer, "enable_lora") and layer.built:
            layer.enable_lora(2, lora_alpha=6)
            for weight in layer.weights:
                if "lora" in weight.name:
                    weight.assign(np.random.RandomState(count).normal(0, 0.3, weight.shape))
                    count += 1
    return count


class TestMergeLora:
    @pytest.mark.parametrize(
        "layer, inputs",
        [
            (keras.layers.Dense(3), np.ones((2, 4), "float32")),
            (keras.layers.EinsumDense("abc,cde->abde", (5, 2, 3)), np.ones((2, 5, 4), "float32")),
            (keras.layers.Conv1D(3, 2), np.ones((2, 5, 4), "float32")),
            (keras.layers.Embedding(4, 3), np.array([[0, 1, 2, 3]])),
        ],
        ids=["dense", "einsum", "convolution", "embedding"],
    )
    def test_the_merged_weights_give_the_same_numbers(self, layer, inputs):
        layer(inputs)
        layer.enable_lora(2, lora_alpha=6)
        for weight in layer.weights:
            weight.assign(np.random.RandomState(len(weight.shape)).normal(0, 1, weight.shape))
        values = [weight.read() for weight in merge_lora(layer)]
        plain = type(layer).from_config({**layer.get_config(), "lora_rank": None})
        plain(inputs)
        assert [x.shape for x in values] == [tuple(x.shape) for x in plain.weights]
        plain.set_weights(values)
        np.testing.assert_allclose(
            ops.convert_to_numpy(plain(inputs)), ops.convert_to_numpy(layer(inputs)), atol=1e-5
        )

    def test_half_precision_does_not_round_the_merged_weights(self):
        layer = keras.layers.Dense(4, dtype="mixed_bfloat16")
        layer(np.ones((1, 4), "float32"))
        kernel = np.random.RandomState(0).normal(size=(4, 4)).astype("float32")
        layer.kernel.assign(kernel)
        layer.enable_lora(2)
        np.testing.assert_array_equal(merge_lora(layer)[0].read(), kernel)


class TestWriting:
    @pytest.mark.parametrize("name", ["a.safetensors", "a.h5", "a.ckpt", "folder"])
    def test_lora_is_merged_into_the_checkpoint(self, tmp_path, name):
        built = build()
        before = built.model(IDS)
        assert enable_lora(built) == 2 * 7  # q, k, v, o, two dense layers, the embedding
        after = ops.convert_to_numpy(built.model(IDS))
        assert abs(after - ops.convert_to_numpy(before)).max() > 1e-3
        if name == "folder":
            built.save_pretrained(tmp_path / name)
        else:
            built.save_weights_as_checkpoint(tmp_path / name)
        copy = build_transformer_model(CONFIG, tmp_path / name, model="gpt2")
        np.testing.assert_allclose(ops.convert_to_numpy(copy(IDS)), after, atol=1e-5)

    @pytest.mark.parametrize(
        "mode", ["int8", *(pytest.param(x, marks=pytest.mark.slow) for x in ("int4", "float8"))]
    )
    def test_a_quantized_model_is_refused_and_nothing_is_written(self, tmp_path, mode):
        built = build()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of layers that it does not quantize
            built.model.quantize(mode)
        for write in built.save_pretrained, built.save_weights_as_checkpoint:
            with pytest.raises(
                ValueError, match=f"floating point to write, .* quantized to {mode}"
            ):
                write(tmp_path / "new.safetensors")
        assert list(tmp_path.iterdir()) == []

    def test_a_layer_with_a_further_weight_is_refused(self, tmp_path):
        built = build()
        norm = built.layers["Transformer-0-FeedForward-Norm"]
        norm._tracker.unlock()
        norm.add_weight(shape=(3,), name="further")
        with pytest.raises(ValueError, match="Expected 2 weights in .*-Norm, .* got 3: .*further"):
            built.save_weights_as_checkpoint(tmp_path / "a.safetensors")
        assert list(tmp_path.iterdir()) == []


class TestLoading:
    def test_a_model_with_lora_says_so(self, tmp_path):
        built = build()
        built.save_weights_as_checkpoint(tmp_path / "a.h5")
        enable_lora(built)
        weights = built.model.get_weights()
        with pytest.raises(ValueError, match="without LoRA to load into, got .* rank 2. Load the"):
            built.load_weights_from_checkpoint(tmp_path / "a.h5")
        for got, want in zip(built.model.get_weights(), weights):
            np.testing.assert_array_equal(got, want)

    @pytest.mark.slow
    def test_a_quantized_model_says_so(self, tmp_path):
        built = build()
        built.save_weights_as_checkpoint(tmp_path / "a.h5")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built.model.quantize("int8")
        with pytest.raises(ValueError, match="floating point to load into, .* quantized to int8"):
            built.load_weights_from_checkpoint(tmp_path / "a.h5")

    def test_an_odd_vocabulary_may_be_resized_in_width(self, tmp_path):
        build().save_weights_as_checkpoint(tmp_path / "a.h5")
        options = {"hidden_size": 16, "embedding_size": 16, "autoresize_weights": True}
        wide = build_transformer_model(CONFIG, tmp_path / "a.h5", model="gpt2", **options)
        assert wide.get_layer("Embedding-Token").embeddings.shape == (13, 16)
