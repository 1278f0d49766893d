"""Wrong arguments and inputs of layers: refused at the door, by name, before the backend fails."""

import numpy as np
import pytest

from bert4keras import backend, layers

NAN = float("nan")
ATTENTION = {"heads": 2, "head_size": 4}
ARGUMENTS = [  # layer, its valid arguments, {argument: wrong values}
    (
        layers.MultiHeadAttention,
        ATTENTION,
        {
            **dict.fromkeys(("heads", "head_size"), [0, -1, 2.5, "2", None, True]),
            **dict.fromkeys(("out_dim", "key_size", "key_value_heads"), [-1, 2.5, "2"]),
            "use_bias": ["False", 2],
            "normalization": ["softmx", 3],
            "attention_scale": ["x"],
            "attention_dropout": [1.5, -0.1, NAN, "x"],
            "return_attention_scores": ["x"],
            "output_bias": ["x"],
            "recompute": ["x"],
        },
    ),
    (
        layers.DisentangledAttention,
        ATTENTION,
        {"position_buckets": [2.5, "x"], "max_distance": [0, "x"], "terms": ["c2p", [3]]},
    ),
    (
        layers.GatedAttentionUnit,
        {"units": 8, "key_size": 4},
        {
            **dict.fromkeys(("units", "key_size"), [0, -1, 1.5, "x", None]),
            "self_attention": ["x"],
            "normalization": ["x"],
        },
    ),
    (
        layers.PositionEmbedding,
        {"input_dim": 4, "output_dim": 8},
        {
            **dict.fromkeys(("input_dim", "output_dim"), [0, -1, 1.5, "x", None]),
            "merge_mode": ["x", 3],
            "hierarchical": [1.5, -0.1, NAN, "x"],
            "custom_position_ids": ["x"],
        },
    ),
    (
        layers.SinusoidalPositionEmbedding,
        {"output_dim": 8},
        {"output_dim": [0, "x"], "base": [0, -1, NAN, "x"], "frequencies": [[NAN], ["x"]]},
    ),
    (
        layers.Embedding,
        {"input_dim": 4, "output_dim": 8},
        {"input_dim": [0, "x"], "output_dim": [0, -2], "pad_id": ["x", 1.5], "input_role": [3]},
    ),
    (layers.SentencePooling, {"modes": ["cls"]}, {"modes": ["mean", [], ["median"]]}),
    (layers.PaddingAwarePositions, {}, {"pad_id": ["x", None], "first": [1.5]}),
    (layers.ConstantIds, {}, {"value": [-1, 1.5, "x"]}),
    (
        layers.LayerNormalization,
        {},
        {
            "epsilon": [-1, NAN, "x"],
            "zero_mean": ["x"],
            "scale": ["x", NAN],
            "offset": ["x"],
            "conditional": ["x"],
            "hidden_units": [0, "x"],
        },
    ),
    (
        layers.GlobalPointer,
        {"heads": 2, "head_size": 4},
        {"heads": [0, "x"], "head_size": [0, -2, 2.0], "RoPE": ["x"], "tril_mask": ["x"]},
    ),
    (
        layers.RelativePositionEmbeddingT5,
        {"input_dim": 32, "output_dim": 2},
        {"input_dim": [0, "x"], "output_dim": [0], "max_distance": [0, 1.5], "bidirectional": [3]},
    ),
    (layers.BatchSplit, {"parts": 2}, {"parts": [0, 1.5, "x", [0, 0], [1, -1]]}),
    (layers.WindowMask, {"reach": 1}, {"reach": [-1, 1.5, "x"]}),
    (layers.FeedForward, {"units": 8}, {"units": [0, -1, "x"], "use_bias": ["x"]}),
    (layers.ConditionalRandomField, {}, {"lr_multiplier": [0, -1, NAN, "x"]}),
    (layers.MaximumEntropyMarkovModel, {}, {"hidden_dim": [0, 1.5, "x"]}),
    (layers.Loss, {}, {"output_axis": ["x", 1.5, ["x"]]}),
    (layers.SelfOrthogonality, {}, {"mean": [-1, NAN, "x"], "gamma": [0, NAN]}),
    (layers.OrthogonalKernel, {}, {"strength": [-1, NAN, "x"]}),
    (layers.VarianceScalingByName, {}, {"seed": ["x", 1.5]}),
]
CASES = [
    pytest.param(layer, {**valid, name: value}, name, id=f"{layer.__name__}-{name}-{value}")
    for layer, valid, values in ARGUMENTS
    for name, wrong_values in values.items()
    for value in wrong_values
]


@pytest.mark.parametrize("layer, arguments, name", CASES)
def test_a_wrong_argument_is_named(layer, arguments, name):
    with pytest.raises((TypeError, ValueError), match=rf"Expected .*{name}.* got "):
        layer(**arguments)


def test_values_of_older_files_pass():
    layers.MultiHeadAttention(2, 4, out_dim=0, key_size=None, use_bias=1, attention_dropout=None)
    layers.PositionEmbedding(4, 8, merge_mode="concat", hierarchical=True)
    layers.LayerNormalization(epsilon=0, offset=None, scale=0.5)


def ones(*shape):
    return np.ones(shape, "float32")


class TestMultiHeadAttention:
    layer = staticmethod(lambda: layers.MultiHeadAttention(**ATTENTION))

    def test_one_tensor_is_refused(self):
        with pytest.raises(ValueError, match=r"a list \[query, key, value\], got one tensor"):
            self.layer()(ones(1, 3, 8))

    def test_matrices_are_refused(self):
        with pytest.raises(ValueError, match=r"query of .* to be a tensor \(B, L, D\), got"):
            self.layer()([ones(3, 8)] * 3)

    def test_another_batch_of_keys_is_refused(self):
        with pytest.raises(ValueError, match="one batch size, and key and value with one length"):
            self.layer()([ones(1, 3, 8), ones(2, 3, 8), ones(2, 3, 8)])

    def test_another_length_of_values_is_refused(self):
        with pytest.raises(ValueError, match="one batch size, and key and value with one length"):
            self.layer()([ones(2, 3, 8), ones(2, 3, 8), ones(2, 4, 8)])

    def test_an_absent_bias_is_refused(self):
        with pytest.raises(ValueError, match=r"\[query, key, value, bias\], got 3 tensors"):
            self.layer()([ones(1, 3, 8)] * 3, a_bias=True)


def test_a_gated_attention_unit_refuses_other_batches_and_few_inputs():
    unit = layers.GatedAttentionUnit(8, 4, self_attention=False)
    with pytest.raises(ValueError, match=r"a list \[query, key, value\], got 2 tensors"):
        unit([ones(1, 3, 8)] * 2)
    unit = layers.GatedAttentionUnit(8, 4, self_attention=False)
    with pytest.raises(ValueError, match="with one batch size"):
        unit([ones(1, 3, 8), ones(2, 3, 8), ones(2, 3, 8)])


@pytest.mark.parametrize("layer", [layers.ConditionalRandomField, layers.MaximumEntropyMarkovModel])
def test_labels_of_another_length_are_refused(layer):
    crf = layer()
    scores = crf(ones(1, 3, 4))
    with pytest.raises(ValueError, match=r"to have one shape, got \(1, 2\) and \(1, 3\). Pad"):
        crf.sparse_loss(np.array([[0, 1]]), scores)


def test_one_hot_labels_of_another_size_are_refused():
    crf = layers.ConditionalRandomField()
    scores = crf(ones(1, 3, 4))
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 5\) and \(1, 3, 4\). For"):
        crf.dense_loss(ones(1, 3, 5), scores)


class TestViterbiDecoder:
    def test_nan_is_refused(self):
        with pytest.raises(ValueError, match="Expected nodes to be numbers, got NaN"):
            layers.ViterbiDecoder(ones(2, 2)).decode(np.full((3, 2), NAN))
        with pytest.raises(ValueError, match="Expected trans to be numbers, got NaN"):
            layers.ViterbiDecoder(np.full((2, 2), NAN)).decode(ones(3, 2))

    @pytest.mark.parametrize("shape", [(2, 3), (3, 3), (2,)])
    def test_transitions_of_another_shape_are_refused(self, shape):
        with pytest.raises(ValueError, match=r"trans to be \(n, n\), for the n = 2 scores"):
            layers.ViterbiDecoder(ones(*shape)).decode(ones(3, 2))
        with pytest.raises(ValueError, match=r"trans to be \(n, n\), for the n = 2 scores"):
            layers.viterbi_decode(ones(1, 3, 2), ones(*shape))

    def test_one_row_for_a_batch_is_refused(self):
        with pytest.raises(ValueError, match=r"nodes to be a tensor \(B, L, n\)"):
            layers.ViterbiDecoder(ones(2, 2)).decode_batch(ones(3, 2))


def test_multilabel_losses_refuse_other_shapes():
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(2, 4\). Give one label"):
        backend.multilabel_categorical_crossentropy(ones(2, 3), ones(2, 4))
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(2,\)"):
        backend.sparse_multilabel_categorical_crossentropy(ones(3, 1), ones(2, 4))
