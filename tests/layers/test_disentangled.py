"""Disentangled attention: its formula, its buckets, its masks and its errors."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.layers import CausalMask, DisentangledAttention, DistanceEmbedding

RANDOM = np.random.default_rng(5)
HEADS, SIZE, BUCKETS = 2, 3, 4
X = RANDOM.normal(size=(2, 9, 8)).astype("float32")
TABLE = RANDOM.normal(size=(1, 2 * BUCKETS, 8)).astype("float32")
# buckets of distances 0 to 9: two of one distance each, then growing ones up to 8
BY_HAND = [0, 1, 2, 3, 3, 3, 3, 3, 4, 4]
TERMS = [("c2p", "p2c"), ("c2p",), ("p2c",), ()]


def layer_of(**options):
    options = {"position_buckets": BUCKETS, "max_distance": 8, **options}
    layer = DisentangledAttention(HEADS, SIZE, return_attention_scores=True, **options)
    layer.build([X.shape, X.shape, X.shape, TABLE.shape])
    for weight in layer.weights:
        weight.assign(RANDOM.normal(size=weight.shape))
    return layer


def attend(layer, x=X, **options):
    return [
        ops.convert_to_numpy(y) for y in layer([x, x, x, TABLE], p_bias="disentangled", **options)
    ]


def heads_of(x, kernel, bias):
    return (x @ ops.convert_to_numpy(kernel) + ops.convert_to_numpy(bias)).reshape(-1, HEADS, SIZE)


def scores_by_hand(layer, x):
    """Return scores (H, Lq, Lk) of one text, number by number."""
    q, k = heads_of(x, *layer.weights[:2]), heads_of(x, *layer.weights[2:4])
    projections = {"p2c": layer.weights[0:2], "c2p": layer.weights[2:4]}
    if not layer.share_projections:
        projections = dict(zip(layer.terms, (layer.weights[8:10], layer.weights[10:12])))
    vectors = {term: heads_of(TABLE[0], *weights) for term, weights in projections.items()}
    scores = np.zeros((HEADS, len(x), len(x)))
    for h, i, j in np.ndindex(scores.shape):
        row = int(np.clip(BUCKETS + np.sign(i - j) * BY_HAND[abs(i - j)], 0, 2 * BUCKETS - 1))
        scores[h, i, j] = q[i, h] @ k[j, h]
        if "c2p" in layer.terms:
            scores[h, i, j] += q[i, h] @ vectors["c2p"][row, h]
        if "p2c" in layer.terms:
            scores[h, i, j] += k[j, h] @ vectors["p2c"][row, h]
    return scores / np.sqrt(SIZE * (1 + len(layer.terms)))


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("terms", TERMS)
def test_scores_are_those_of_content_and_of_distances(terms, is_shared):
    layer = layer_of(terms=terms, share_projections=is_shared)
    for got, x in zip(attend(layer)[1], X, strict=True):
        assert_close(got, scores_by_hand(layer, x), 1e-4)


def test_buckets_grow_with_the_distance():
    def rows(distances, **options):
        bias = layer_of(**options).position_bias("disentangled")
        return ops.convert_to_numpy(bias._table_rows(np.array(distances, "int32"))).tolist()

    # at 40 with buckets of 8: exact to 4, then to 8, 18 and 39; beyond 39 only negative distances
    options = {"position_buckets": 8, "max_distance": 40}
    assert rows([0, 1, 4, 5, 8, 9, 18, 19, 39, 40, 999], **options) == [
        *[8, 9, 12, 13, 13, 14, 14, 15, 15, 15, 15]
    ]
    assert rows([-1, -4, -5, -19, -39, -40, -999], **options) == [7, 4, 3, 1, 1, 0, 0]
    exact = {"position_buckets": 0, "max_distance": 3}
    assert rows([-9, -3, -2, 0, 2, 3, 9], **exact) == [0, 0, 1, 3, 5, 5, 5]


def test_padding_never_affects_results():
    layer = layer_of()
    visible = np.arange(9)[None] < np.array([9, 4])[:, None]
    batch, _ = attend(layer, mask=[visible, visible, visible, None])
    row, _ = attend(layer, X[1:, :4])
    assert_close(batch[1:, :4], row)


def test_a_query_that_sees_no_key_gets_the_bias_alone():
    hidden = np.zeros((2, 9), bool)
    layer = layer_of()
    got, _ = attend(layer, mask=[hidden, hidden, hidden, None])
    assert_close(got, np.broadcast_to(ops.convert_to_numpy(layer.o_dense.bias), got.shape))


def test_an_attention_bias_comes_before_the_distances():
    layer, other_future = layer_of(), X.copy()
    other_future[:, 5:] = 0
    before, after = (
        layer([x, x, x, CausalMask()(x[..., 0]), TABLE], a_bias=True, p_bias="disentangled")[0]
        for x in (X, other_future)
    )
    assert_close(after[:, :5], ops.convert_to_numpy(before[:, :5]))
    assert np.abs(ops.convert_to_numpy(after - before)[:, 5:]).max() > 0.01


def test_projections_of_their_own_come_last():
    layer = layer_of(share_projections=False)
    assert [weight.path.split("/")[-2] for weight in layer.weights[::2]] == [
        *["q_dense", "k_dense", "v_dense", "o_dense", "position_k_dense", "position_q_dense"]
    ]


def test_a_table_of_distances_is_the_same_for_every_text():
    table = DistanceEmbedding(6, 4, "normal")
    got = table(np.ones((3, 5), "int32"))
    assert tuple(got.shape) == (1, 6, 4)
    assert_close(got[0], ops.convert_to_numpy(table.embeddings))
    assert tuple(table(keras.Input((None,))).shape) == (1, 6, 4)
    assert table.compute_mask(None, np.ones((3, 5), bool)) is None


@pytest.mark.parametrize(
    "options, message",
    [
        ({"terms": ["p2p"]}, "Expected terms of c2p, p2c, got p2p"),
        ({"position_buckets": 5}, "even number of position_buckets, .* got 5 and max_distance=512"),
        ({"position_buckets": 8, "max_distance": 5}, "half of it below max_distance - 1"),
    ],
)
def test_unknown_terms_and_odd_buckets_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DisentangledAttention(HEADS, SIZE, **options)


def test_attention_without_distances_is_refused():
    with pytest.raises(ValueError, match="Expected p_bias='disentangled'.*got p_bias=None"):
        DisentangledAttention(HEADS, SIZE)([X, X, X])
