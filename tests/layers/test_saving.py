"""Every layer in a functional model: saved and loaded, and in bfloat16."""

import keras
import numpy as np
import pytest
from keras import ops

from bert4keras import layers as L  # noqa: N812

IDS = np.array([[3, 7, 1, 9, 4, 2], [5, 2, 8, 1, 0, 0]], "int32")


@keras.saving.register_keras_serializable("tests")
class MeanLoss(L.Loss):
    def compute_loss(self, inputs, mask=None):
        return ops.mean(inputs[0])


def attention(ids, x):
    positions = L.RelativePositionEmbedding(7, 3)([x, x])
    layer = L.MultiHeadAttention(2, 3, 5, normalization="softmax_plus", attention_dropout=0.1)
    return layer([x, x, x, L.UniLMMask()(ids), positions], a_bias=True, p_bias="typical_relative")


def gau(ids, x):
    positions = L.SinusoidalPositionEmbedding(4, "zero")(x)
    layer = L.GatedAttentionUnit(5, 4, "gelu_tanh", False, "softmax_plus", attention_dropout=0.1)
    return layer([x, L.CausalMask()(ids), positions], a_bias=True, p_bias="rotary")


def embedding_in_dense_mode(ids, x):
    table = L.Embedding(10, 8, mask_zero=True, pad_id=1)
    return table(table(ids), mode="dense")


def conditional(layer):
    return lambda ids, x: layer([x, L.GlobalAveragePooling1D()(x)])


def disentangled_attention(ids, x):
    distances = L.DistanceEmbedding(8, 8)(ids)
    layer = L.DisentangledAttention(
        2, 3, 5, position_buckets=4, max_distance=9, terms=["p2c"], share_projections=False
    )
    return layer([x, x, x, L.CausalMask()(ids), distances], a_bias=True, p_bias="disentangled")


CALLS = {  # from ids (B, L) and x (B, L, 8) to outputs; arguments are not the defaults
    "Add": lambda ids, x: L.Add()([x, x]),
    "AttentionBias": lambda ids, x: L.AttentionBias()(
        [L.CausalMask()(ids), L.MultiHeadAttention(2, 4, return_attention_scores=True)([x] * 3)[1]]
    ),
    "BatchConcat": lambda ids, x: L.BatchConcat()([x, x]),
    "BatchSplit": lambda ids, x: L.BatchSplit([1, 1])(x),
    "CausalMask": lambda ids, x: L.CausalMask()(ids),
    "Concatenate1D": lambda ids, x: L.Concatenate1D()([x, x]),
    "ConditionalRandomField": lambda ids, x: L.ConditionalRandomField(lr_multiplier=10)(x),
    "ConstantIds": lambda ids, x: L.ConstantIds(3)(ids),
    "CountedPositions": lambda ids, x: L.PaddingAwarePositions(pad_id=0, first=4)(ids),
    "DisentangledAttention": disentangled_attention,
    "DistanceEmbedding": lambda ids, x: L.DistanceEmbedding(5, 3, "normal")(ids),
    "EfficientGlobalPointer": lambda ids, x: L.EfficientGlobalPointer(2, 6, False, False)(x),
    "Embedding": embedding_in_dense_mode,
    "FeedForward": lambda ids, x: L.FeedForward(5, ["gelu", "linear"], use_bias=False)(x),
    "FirstToken": lambda ids, x: L.FirstToken()(x),
    "GatedAttentionUnit": gau,
    "GlobalAveragePooling1D": lambda ids, x: L.GlobalAveragePooling1D()(x),
    "GlobalMaxPooling1D": lambda ids, x: L.GlobalMaxPooling1D()(x),
    "GlobalPointer": lambda ids, x: L.GlobalPointer(3, 4, tril_mask=False, use_bias=False)(x),
    "LayerNormalization": lambda ids, x: conditional(
        L.LayerNormalization(False, epsilon=0.1, conditional=True, hidden_units=3)
    )(ids, x),
    "Loss": lambda ids, x: MeanLoss(1)([x, x]),
    "MaskedConv1D": lambda ids, x: L.MaskedConv1D(5, 3, activation="tanh")(x),
    "MaximumEntropyMarkovModel": lambda ids, x: L.MaximumEntropyMarkovModel(10, hidden_dim=3)(x),
    "MultiHeadAttention": attention,
    "PositionEmbedding": lambda ids, x: L.PositionEmbedding(4, 3, "concat", 0.3, "normal", True)(
        [x, ids]
    ),
    "RelativePositionEmbedding": lambda ids, x: L.RelativePositionEmbedding(5, 3)([x, ids]),
    "RelativePositionEmbeddingT5": lambda ids, x: L.RelativePositionEmbeddingT5(8, 3, 5, False)(
        [x, ids]
    ),
    "ScaleOffset": lambda ids, x: conditional(
        L.ScaleOffset(2.0, conditional=True, hidden_units=3, hidden_activation="relu")
    )(ids, x),
    "SelfOrthogonality": lambda ids, x: L.SelfOrthogonality(0.1, 0.2, 3.0)(x),
    "SentencePooling": lambda ids, x: L.SentencePooling(list(L.SentencePooling.MODES))(x),
    "SinusoidalPositionEmbedding": lambda ids, x: L.SinusoidalPositionEmbedding(
        4, "concat", True, base=100
    )([x, ids]),
    "UniLMMask": lambda ids, x: L.UniLMMask()(ids),
    "WindowMask": lambda ids, x: L.WindowMask(2)(ids),
    "WithMask": lambda ids, x: L.GlobalAveragePooling1D()(L.AttachMask()([x, ids - 2])),
}


def model_of(name):
    """A model of any length around the layer, its weights random (many begin as zeros or ones)."""
    ids = keras.Input((None,), dtype="int32")
    x = L.Embedding(10, 8, mask_zero=True)(ids)
    model = keras.Model(ids, CALLS[name](ids, x))
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=w.shape) for w in model.weights])
    return model


def run(model):
    return [ops.convert_to_numpy(ops.cast(y, "float32")) for y in keras.tree.flatten(model(IDS))]


@pytest.mark.parametrize("name", sorted(L.custom_objects))
def test_a_saved_layer_gives_the_same_numbers(name, tmp_path):
    model = model_of(name)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    assert [w.shape for w in copy.weights] == [w.shape for w in model.weights]
    for got, want in zip(run(copy), run(model), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", sorted(L.custom_objects))
def test_a_symbolic_shape_says_what_comes(name):
    model = model_of(name)
    for output, got in zip(keras.tree.flatten(model.output), run(model), strict=True):
        assert len(output.shape) == got.ndim
        sizes = zip(output.shape[1:], got.shape[1:])
        assert all(size in (None, actual) for size, actual in sizes)
        assert output.shape[-1] in (None, got.shape[-1])


@pytest.mark.parametrize("name", sorted(L.custom_objects))
def test_bfloat16_gives_nearly_the_same_and_no_nan(name):
    outputs = run(model_of(name))
    keras.config.set_dtype_policy("mixed_bfloat16")
    for got, want in zip(run(model_of(name)), outputs, strict=True):
        np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
        got, want = got[np.isfinite(want)], want[np.isfinite(want)]
        assert np.abs(got - want).max() <= 0.05 * np.abs(want).max()


def test_a_function_initializes_inner_layers_too():
    layer = L.FeedForward(3, kernel_initializer=lambda shape, dtype=None: ops.ones(shape, dtype))
    layer(np.ones((1, 2, 4), "float32"))
    assert all((weight == 1).all() for weight in layer.get_weights() if weight.ndim == 2)
