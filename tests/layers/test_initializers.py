"""Initializers: variances by name."""

import keras
import numpy as np
import pytest
from keras import ops

from bert4keras.layers import VarianceScalingByName

VARIANCES = {"1/n": 1 / 300, "1/m": 1 / 400, "2/m": 2 / 400}


@pytest.mark.parametrize("distribution", ["normal", "uniform", "orthogonal"])
@pytest.mark.parametrize("variance", VARIANCES)
def test_variance_scaling_by_name_gives_the_variance_of_the_name(variance, distribution):
    initializer = VarianceScalingByName(variance, distribution, seed=1)
    kernel = ops.convert_to_numpy(initializer((300, 400)))
    np.testing.assert_allclose(kernel.var(), VARIANCES[variance], rtol=0.03)
    assert abs(kernel.mean()) < 3 * kernel.std() / np.sqrt(kernel.size)
    shape = {"normal": 3.0, "uniform": 9 / 5, "orthogonal": 3.0}[distribution]
    np.testing.assert_allclose(np.mean(kernel**4) / kernel.var() ** 2, shape, rtol=0.05)
    copy = keras.initializers.deserialize(keras.initializers.serialize(initializer))
    assert np.array_equal(ops.convert_to_numpy(copy((300, 400))), kernel)


def test_variance_scaling_by_name_preserves_lengths():
    error = {
        name: np.mean((k @ k.T - np.eye(100)) ** 2)
        for name in ("normal", "uniform", "orthogonal")
        for k in [ops.convert_to_numpy(VarianceScalingByName("1/m", name, seed=2)((100, 100)))]
    }
    assert error["orthogonal"] < 1e-10 < 0.005 < error["normal"] < 0.02  # about 1 / 100
    assert 0.005 < error["uniform"] < 0.02


def test_variance_scaling_by_name_without_a_seed_differs_by_instance():
    first, second = (ops.convert_to_numpy(VarianceScalingByName()((4, 4))) for _ in range(2))
    assert not np.allclose(first, second)


def test_variance_scaling_by_name_refuses_other_names():
    with pytest.raises(ValueError, match=r"Expected variance .*'1/m'.* got '2/n'"):
        VarianceScalingByName("2/n")
    with pytest.raises(ValueError, match="Expected distribution .* got 'gauss'"):
        VarianceScalingByName(distribution="gauss")
