"""Adam with the defaults of BERT."""

from typing import Any

import keras
import ml_dtypes  # noqa: F401  (registers bfloat16 with NumPy)
import numpy as np
from keras import ops

from bert4keras.backend.types import Tensor
from bert4keras.checks import check_arguments, check_boolean, check_number
from bert4keras.optimizers.base import (
    DenseGradients,
    LearningRate,
    check_learning_rate,
    register,
)


@register
class Adam(DenseGradients, keras.optimizers.Adam):
    """Adam (Kingma & Ba, arXiv:1412.6980), with bias correction as an option.

    m and v are the moving averages of the gradient and of its square. A step is
    lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon), or lr m / (sqrt(v) + epsilon)
    without bias correction.

    Args:
        learning_rate: a float or a Keras schedule.
        beta_1: decay rate of m.
        beta_2: decay rate of v.
        epsilon: small constant added to sqrt(v).
        bias_correction: correct m and v for their start at 0; BERT was trained without.
        **kwargs: arguments of ``keras.optimizers.Adam``.

    Raises:
        ValueError: the weights have half precision, which rounds beta_2 to 1 or epsilon to 0.

    Example:
        >>> from bert4keras.optimizers import Adam
        >>> Adam(2e-5, bias_correction=False).epsilon
        1e-06
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        bias_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(check_learning_rate(learning_rate), beta_1, beta_2, epsilon, **kwargs)
        self.bias_correction: bool = bias_correction
        check_arguments(self, check_number, "beta_1", "beta_2", minimum=0, maximum=1)
        check_arguments(self, check_number, "epsilon", minimum=0)
        check_arguments(self, check_boolean, "bias_correction")

    def build(self, variables: list[keras.Variable]) -> None:
        for dtype in sorted({variable.dtype for variable in variables}):
            self._check_precision(dtype)
        super().build(variables)

    def _check_precision(self, dtype):
        for name, limit in ("beta_2", 1), ("epsilon", 0):
            value = getattr(self, name)
            if value != limit and float(np.asarray(value, dtype)) == limit:
                raise ValueError(
                    f"Expected weights that can represent {name}={value}, got {dtype}, in which it "
                    f"rounds to {limit}; Adam would learn nothing sensible. Keep the weights in "
                    "float32, with the policy mixed_bfloat16 or mixed_float16"
                )

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        if not self.bias_correction:
            # Keras always multiplies the rate by sqrt(1 - beta_2^t) / (1 - beta_1^t); the inverse
            # of this factor cancels it.
            dtype, betas = variable.dtype, (self.beta_1, self.beta_2)
            t = ops.cast(self.iterations + 1, dtype)
            first, second = (1 - ops.power(ops.cast(beta, dtype), t) for beta in betas)
            learning_rate = ops.cast(learning_rate, dtype) * first / ops.sqrt(second)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bias_correction": self.bias_correction}
