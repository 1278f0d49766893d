"""Initializers of kernels that preserve the lengths of vectors."""

import math
from typing import Any, Literal

import keras

from bert4keras.backend.types import Tensor
from bert4keras.checks import check_arguments, check_choice, check_integer

_VARIANCES = {"1/n": (1.0, "fan_in"), "1/m": (1.0, "fan_out"), "2/m": (2.0, "fan_out")}
_NORMAL_OR_UNIFORM = {"normal": "untruncated_normal", "uniform": "uniform"}


@keras.saving.register_keras_serializable("bert4keras", name="Geometric")
class VarianceScalingByName(keras.initializers.Initializer):
    """Variance scaling by the names "1/n", "1/m" and "2/m" (https://kexue.fm/archives/7180).

    Random vectors of n numbers are nearly orthogonal. So a kernel from n to m features with entries
    of variance 1/m, m >= n, nearly preserves lengths. 1/n (LeCun) preserves the size of each
    feature, and 2/m (He) compensates for the half that a ReLU sets to zero.

    Args:
        variance: "1/n", "1/m" or "2/m".
        distribution: "normal", "uniform", or "orthogonal" for exact orthogonality, scaled so that
            the mean square of the entries is the variance.
        seed: an int, or None for another kernel from each instance. One instance gives the same
            kernel each time.

    Raises:
        ValueError: another variance or distribution.

    Example:
        >>> import numpy as np
        >>> from bert4keras.backend import K
        >>> from bert4keras.layers import Dense, VarianceScalingByName
        >>> dense = Dense(8, kernel_initializer=VarianceScalingByName("1/m", "orthogonal"))
        >>> dense.build((None, 4))
        >>> kernel = K.eval(dense.kernel)  # (4, 8)
        >>> np.allclose(kernel @ kernel.T, np.eye(4), atol=1e-5)
        True
    """

    def __init__(
        self,
        variance: Literal["1/n", "1/m", "2/m"] = "1/n",
        distribution: Literal["normal", "uniform", "orthogonal"] = "normal",
        seed: int | None = None,
    ):
        self.variance, self.distribution, self.seed = variance, distribution, seed
        check_arguments(self, check_choice, "variance", choices=_VARIANCES)
        check_arguments(
            self, check_choice, "distribution", choices=[*_NORMAL_OR_UNIFORM, "orthogonal"]
        )
        if not isinstance(seed, dict | keras.random.SeedGenerator):
            check_arguments(self, check_integer, "seed", is_optional=True)
        if distribution == "orthogonal":
            self.initializer = keras.initializers.Orthogonal(seed=seed)
        else:
            self.initializer = keras.initializers.VarianceScaling(
                *_VARIANCES[variance], _NORMAL_OR_UNIFORM[distribution], seed
            )

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
        kernel = self.initializer(shape, dtype)
        if self.distribution != "orthogonal":
            return kernel
        scale, side = _VARIANCES[
            self.variance
        ]  # Orthogonal of Keras has the variance 1 / max(n, m)
        n, m = math.prod(shape[:-1]), shape[-1]
        return kernel * math.sqrt(scale * max(n, m) / (n if side == "fan_in" else m))

    def get_config(self) -> dict[str, Any]:
        return {"variance": self.variance, "distribution": self.distribution, "seed": self.seed}
