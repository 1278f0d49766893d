"""Position embeddings and relative positions, apart from the golden numbers."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.backend import Sinusoidal, sinusoidal_embeddings
from bert4keras.layers import (
    PositionEmbedding,
    RelativePositionEmbedding,
    RelativePositionEmbeddingT5,
    SinusoidalPositionEmbedding,
)

X = np.zeros((2, 5, 4), "float32")


def test_another_base_turns_at_another_speed():
    want = ops.convert_to_numpy(sinusoidal_embeddings(np.arange(5), 4, 100))
    assert_close(SinusoidalPositionEmbedding(4, base=100)(X)[0], want)


def test_positions_stay_exact_in_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    ids = np.array([[257.0, 258.0]], "float32")  # bfloat16 has neither 257 nor its successor
    want = ops.cast(sinusoidal_embeddings(ids, 4), "bfloat16")
    layer = SinusoidalPositionEmbedding(4, "zero", custom_position_ids=True)
    assert_close(ops.cast(layer([X[:1, :2], ids]), "float32"), ops.cast(want, "float32"), 0, 0)
    learnt = PositionEmbedding(300, 4, "zero", None, "normal", custom_position_ids=True)
    got = ops.cast(learnt([X[:1, :2], ids]), "float32")
    want = ops.cast(ops.cast(learnt.embeddings[257:259], "bfloat16"), "float32")
    assert_close(got[0], ops.convert_to_numpy(want), 0, 0)


@pytest.mark.parametrize(
    "layer", [RelativePositionEmbedding, RelativePositionEmbeddingT5, PositionEmbedding]
)
def test_embeddings_initializer_may_be_sinusoidal(layer):
    for initializer in ("Sinusoidal", Sinusoidal()):
        table = layer(8, 4, embeddings_initializer=initializer)
        table.build((None, None, 4))
        assert_close(table.embeddings, ops.convert_to_numpy(Sinusoidal()((8, 4))))
        copy = layer.from_config(table.get_config())
        assert isinstance(copy.embeddings_initializer, Sinusoidal)


def test_relative_positions_count_from_query_to_key():
    layer = RelativePositionEmbedding(5, 1)
    layer.build([(None, None, 4)] * 2)
    layer.set_weights([np.arange(-2, 3)[:, None]])
    rows = ops.convert_to_numpy(layer([X, X[:, :3]]))[..., 0]
    assert rows.tolist() == [[0, 1, 2], [-1, 0, 1], [-2, -1, 0], [-2, -2, -1], [-2, -2, -2]]


@pytest.mark.parametrize("bidirectional", [True, False])
def test_t5_buckets_keep_order_and_all_are_used(bidirectional):
    layer = RelativePositionEmbeddingT5(32, 1, 128, bidirectional)
    layer.build([(None, None, 4)] * 2)
    layer.set_weights([np.arange(32)[:, None]])
    wide = np.zeros((1, 300, 4), "float32")
    buckets = ops.convert_to_numpy(layer([wide, wide]))[..., 0]
    before, after = buckets[-1, ::-1], buckets[0, 1:]
    assert (np.diff(before) >= 0).all() and before[:8].tolist() == list(range(8))
    assert set(before) == set(range(16 if bidirectional else 32))
    assert (np.diff(after) >= 0).all()
    assert set(after) == (set(range(17, 32)) if bidirectional else {0})


@pytest.mark.parametrize(
    "arguments, message",
    [((2, 1), "got 0, .* and max_distance=128"), ((32, 1, 8), "got 8, .* and max_distance=8")],
)
def test_t5_refuses_too_few_buckets(arguments, message):
    with pytest.raises(ValueError, match=rf"from 1 to max_distance - 1 buckets .*{message}"):
        RelativePositionEmbeddingT5(*arguments)


def test_sinusoidal_positions_refuse_an_odd_size():
    with pytest.raises(ValueError, match=r"even number of features, got 3"):
        SinusoidalPositionEmbedding(3, "zero")(X)
