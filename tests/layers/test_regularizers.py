"""Orthogonality penalties on features and on kernels."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.layers import OrthogonalKernel, OrthonormalKernel, SelfOrthogonality

RANDOM = np.random.default_rng(0)


def penalty_of(layer, x, **options):
    assert_close(layer(ops.convert_to_tensor(x), **options), x)
    return float(ops.convert_to_numpy(layer.losses[0]))


def penalty_by_formula(x, mean, square, gamma):
    """Return the penalty of rows by the formula of the article."""
    y = np.tanh(gamma * x)
    y = y / np.linalg.norm(y, axis=0)
    v = [y[:, i] @ y[:, j] for i in range(x.shape[1]) for j in range(x.shape[1]) if i != j]
    return mean * np.sum(v) ** 2 + square * np.sum(np.square(v))


@pytest.mark.parametrize("mean, square, gamma", [(100, 1, 10), (0, 1, 3), (0.5, 0, 10)])
def test_self_orthogonality_follows_its_formula(mean, square, gamma):
    x = RANDOM.normal(size=(6, 4)).astype("float32")
    got = penalty_of(SelfOrthogonality(mean, square, gamma), x)
    np.testing.assert_allclose(got, penalty_by_formula(x, mean, square, gamma), rtol=1e-4)


def test_self_orthogonality_estimates_the_angles_of_filters():
    filters = RANDOM.normal(size=(5, 2))
    x = RANDOM.normal(size=(20000, 5)) @ filters
    angle = np.arccos(filters[:, 0] @ filters[:, 1] / np.prod(np.linalg.norm(filters, axis=0)))
    got = penalty_of(SelfOrthogonality(0, 0.5, 100), x.astype("float32"))
    np.testing.assert_allclose(np.sqrt(got), abs(1 - 2 * angle / np.pi), atol=0.03)


def test_self_orthogonality_ignores_padding():
    x = RANDOM.normal(size=(2, 3, 4)).astype("float32")
    mask = np.array([[True, True, False], [True, False, False]])
    got = penalty_of(SelfOrthogonality(), x, mask=ops.convert_to_tensor(mask))
    np.testing.assert_allclose(got, penalty_by_formula(x[mask], 100, 1, 10), rtol=1e-4)


def test_self_orthogonality_of_zeros_is_zero():
    x = np.zeros((3, 2), "float32")
    assert penalty_of(SelfOrthogonality(), x) == 0


@pytest.mark.filterwarnings("ignore:.*torch:DeprecationWarning")
def test_self_orthogonality_trains_filters_to_right_angles():
    x = keras.Input((8,))
    y = SelfOrthogonality(0.1, 0.1, name="penalty")(keras.layers.Dense(4, use_bias=False)(x))
    model = keras.Model(x, ops.mean(y, axis=-1) * 0.0)
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False)
    data = RANDOM.normal(size=(256, 8)).astype("float32")
    losses = model.fit(data, np.zeros(256), batch_size=64, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 3
    layer = keras.layers.deserialize(keras.layers.serialize(model.get_layer("penalty")))
    assert (layer.mean, layer.square, layer.gamma) == (0.1, 0.1, 10.0)


def test_self_orthogonality_is_the_same_in_half_precision():
    x = RANDOM.normal(size=(6, 4)).astype("float16")
    got = penalty_of(SelfOrthogonality(dtype="mixed_float16"), x)
    np.testing.assert_allclose(got, penalty_by_formula(x.astype("float64"), 100, 1, 10), rtol=1e-3)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
def test_kernel_penalties_follow_their_formulas(shape):
    kernel = RANDOM.normal(size=shape).astype("float32")
    columns = kernel.reshape(-1, shape[-1])
    products, eye = columns.T @ columns, np.eye(shape[-1])
    for penalty, excess in (
        (OrthonormalKernel(0.5), products - eye),
        (OrthogonalKernel(0.5), products * (1 - eye)),
    ):
        copy = keras.regularizers.deserialize(keras.regularizers.serialize(penalty))
        assert copy.strength == 0.5
        for regularizer in (penalty, copy):
            assert_close(regularizer(ops.convert_to_tensor(kernel)), 0.5 * np.sum(excess**2))


def test_penalties_refuse_negative_weights():
    with pytest.raises(ValueError, match="gamma of SelfOrthogonality to be .* above 0, got 0"):
        SelfOrthogonality(gamma=0)
    with pytest.raises(ValueError, match="strength of OrthonormalKernel to be .* or more, got -1"):
        OrthonormalKernel(-1)
