"""Penalties on features that are not apart, and kernels that begin apart."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.layers import (
    OrthogonalKernel,
    OrthonormalKernel,
    SelfOrthogonality,
    VarianceScalingByName,
)

RANDOM = np.random.default_rng(0)


def penalty_of(layer, x, **options):
    assert_close(layer(ops.convert_to_tensor(x), **options), x)
    return float(ops.convert_to_numpy(layer.losses[0]))


def stated(x, mean, square, gamma):
    """The penalty of rows, in the article's words."""
    y = np.tanh(gamma * x)
    y = y / np.linalg.norm(y, axis=0)
    v = [y[:, i] @ y[:, j] for i in range(x.shape[1]) for j in range(x.shape[1]) if i != j]
    return mean * np.sum(v) ** 2 + square * np.sum(np.square(v))


@pytest.mark.parametrize("mean, square, gamma", [(100, 1, 10), (0, 1, 3), (0.5, 0, 10)])
def test_the_penalty_on_outputs_is_the_stated_one(mean, square, gamma):
    x = RANDOM.normal(size=(6, 4)).astype("float32")
    got = penalty_of(SelfOrthogonality(mean, square, gamma), x)
    np.testing.assert_allclose(got, stated(x, mean, square, gamma), rtol=1e-4)


def test_signs_tell_the_angles_of_filters():
    filters = RANDOM.normal(size=(5, 2))
    x = RANDOM.normal(size=(20000, 5)) @ filters
    angle = np.arccos(filters[:, 0] @ filters[:, 1] / np.prod(np.linalg.norm(filters, axis=0)))
    got = penalty_of(SelfOrthogonality(0, 0.5, 100), x.astype("float32"))
    np.testing.assert_allclose(np.sqrt(got), abs(1 - 2 * angle / np.pi), atol=0.03)


def test_padding_counts_for_nothing():
    x = RANDOM.normal(size=(2, 3, 4)).astype("float32")
    mask = np.array([[True, True, False], [True, False, False]])
    got = penalty_of(SelfOrthogonality(), x, mask=ops.convert_to_tensor(mask))
    np.testing.assert_allclose(got, stated(x[mask], 100, 1, 10), rtol=1e-4)


def test_a_silent_feature_has_a_penalty_and_no_nan():
    x = np.zeros((3, 2), "float32")
    assert penalty_of(SelfOrthogonality(), x) == 0


@pytest.mark.filterwarnings("ignore:.*torch:DeprecationWarning")
def test_training_on_the_penalty_turns_filters_apart():
    x = keras.Input((8,))
    y = SelfOrthogonality(0.1, 0.1, name="apart")(keras.layers.Dense(4, use_bias=False)(x))
    model = keras.Model(x, ops.mean(y, axis=-1) * 0.0)
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False)
    data = RANDOM.normal(size=(256, 8)).astype("float32")
    losses = model.fit(data, np.zeros(256), batch_size=64, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 3
    layer = keras.layers.deserialize(keras.layers.serialize(model.get_layer("apart")))
    assert (layer.mean, layer.square, layer.gamma) == (0.1, 0.1, 10.0)


def test_half_precision_changes_no_penalty():
    x = RANDOM.normal(size=(6, 4)).astype("float16")
    got = penalty_of(SelfOrthogonality(dtype="mixed_float16"), x)
    np.testing.assert_allclose(got, stated(x.astype("float64"), 100, 1, 10), rtol=1e-3)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
def test_penalties_on_kernels_are_the_stated_ones(shape):
    kernel = RANDOM.normal(size=shape).astype("float32")
    columns = kernel.reshape(-1, shape[-1])
    products, eye = columns.T @ columns, np.eye(shape[-1])
    for penalty, excess in (
        (OrthonormalKernel(0.5), products - eye),
        (OrthogonalKernel(0.5), products * (1 - eye)),
    ):
        again = keras.regularizers.deserialize(keras.regularizers.serialize(penalty))
        assert again.strength == 0.5
        for one in (penalty, again):
            assert_close(one(ops.convert_to_tensor(kernel)), 0.5 * np.sum(excess**2))


WANTED = {"1/n": 1 / 300, "1/m": 1 / 400, "2/m": 2 / 400}


@pytest.mark.parametrize("distribution", ["normal", "uniform", "orthogonal"])
@pytest.mark.parametrize("variance", WANTED)
def test_kernels_have_the_variance_that_they_are_asked_for(variance, distribution):
    initializer = VarianceScalingByName(variance, distribution, seed=1)
    kernel = ops.convert_to_numpy(initializer((300, 400)))
    np.testing.assert_allclose(kernel.var(), WANTED[variance], rtol=0.03)
    assert abs(kernel.mean()) < 3 * kernel.std() / np.sqrt(kernel.size)
    shape = {"normal": 3.0, "uniform": 9 / 5, "orthogonal": 3.0}[distribution]
    np.testing.assert_allclose(np.mean(kernel**4) / kernel.var() ** 2, shape, rtol=0.05)
    again = keras.initializers.deserialize(keras.initializers.serialize(initializer))
    assert np.array_equal(ops.convert_to_numpy(again((300, 400))), kernel)


def test_lengths_are_kept_nearly_and_by_the_orthogonal_exactly():
    error = {
        name: np.mean((k @ k.T - np.eye(100)) ** 2)
        for name in ("normal", "uniform", "orthogonal")
        for k in [ops.convert_to_numpy(VarianceScalingByName("1/m", name, seed=2)((100, 100)))]
    }
    assert error["orthogonal"] < 1e-10 < 0.005 < error["normal"] < 0.02  # about 1 / 100
    assert 0.005 < error["uniform"] < 0.02


def test_instances_without_a_seed_differ():
    first, second = (ops.convert_to_numpy(VarianceScalingByName()((4, 4))) for _ in range(2))
    assert not np.allclose(first, second)


def test_what_cannot_be_is_said():
    with pytest.raises(
        ValueError, match="gamma above 0 in SelfOrthogonality, got 100.0, 1.0 and 0.*use 100, 1"
    ):
        SelfOrthogonality(gamma=0)
    with pytest.raises(ValueError, match="strength of 0 or more in OrthonormalKernel, got -1"):
        OrthonormalKernel(-1)
    with pytest.raises(ValueError, match=r"Expected variance .*'1/m'.* got '2/n'\. For"):
        VarianceScalingByName("2/n")
    with pytest.raises(ValueError, match="Expected distribution .* got 'gauss'"):
        VarianceScalingByName(distribution="gauss")
