"""First kernels that keep the lengths of vectors."""

import math

import keras

from bert4keras.layers.base import register

VARIANCES = {"1/n": (1.0, "fan_in"), "1/m": (1.0, "fan_out"), "2/m": (2.0, "fan_out")}
NORMAL_OR_UNIFORM = {"normal": "untruncated_normal", "uniform": "uniform"}


@register
class Geometric(keras.initializers.Initializer):
    """Random kernels by the geometry of high dimensions (https://kexue.fm/archives/7180).

    Random vectors of n numbers are nearly orthogonal, so a kernel from n to m features with entries
    of variance 1/m, m >= n, nearly keeps lengths; 1/n (LeCun) keeps the size of each feature, and
    2/m (He) makes up for the half that a ReLU puts to zero.

    Args:
        variance: "1/n", "1/m" or "2/m".
        distribution: "normal", "uniform", or "orthogonal" for exact orthogonality, scaled so that
            the mean square of the entries is that variance.
        seed: an int, or None for another kernel from each instance. One instance gives the same
            kernel each time.

    Raises:
        ValueError: another variance or distribution.

    Example:
        >>> import numpy as np
        >>> from bert4keras.backend import K
        >>> from bert4keras.layers import Dense, Geometric
        >>> dense = Dense(8, kernel_initializer=Geometric("1/m", "orthogonal"))
        >>> dense.build((None, 4))
        >>> kernel = K.eval(dense.kernel)  # (4, 8)
        >>> np.allclose(kernel @ kernel.T, np.eye(4), atol=1e-5)
        True
    """

    def __init__(self, variance="1/n", distribution="normal", seed=None):
        _check("variance", variance, VARIANCES)
        _check("distribution", distribution, [*NORMAL_OR_UNIFORM, "orthogonal"])
        self.variance, self.distribution, self.seed = variance, distribution, seed
        if distribution == "orthogonal":
            self.drawn = keras.initializers.Orthogonal(seed=seed)
        else:
            self.drawn = keras.initializers.VarianceScaling(
                *VARIANCES[variance], NORMAL_OR_UNIFORM[distribution], seed
            )

    def __call__(self, shape, dtype=None):
        kernel = self.drawn(shape, dtype)
        if self.distribution != "orthogonal":
            return kernel
        scale, side = VARIANCES[self.variance]  # Keras' own has the variance 1 / max(n, m)
        n, m = math.prod(shape[:-1]), shape[-1]
        return kernel * math.sqrt(scale * max(n, m) / (n if side == "fan_in" else m))

    def get_config(self):
        return {"variance": self.variance, "distribution": self.distribution, "seed": self.seed}


def _check(argument, value, known):
    if value not in known:
        raise ValueError(
            f"{argument} of Geometric must be one of {list(known)}, got {value!r}. "
            "keras.initializers has others"
        )
