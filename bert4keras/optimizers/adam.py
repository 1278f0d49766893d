"""Adam with the defaults of BERT."""

import keras
import ml_dtypes  # noqa: F401  (NumPy learns bfloat16)
import numpy as np
from keras import ops

from bert4keras.optimizers.extension import DenseGradients, register


@register
class Adam(DenseGradients, keras.optimizers.Adam):
    """Adam (Kingma & Ba, arXiv:1412.6980), with the small number beside the root of the moment.

    m and v are the moving averages of the gradient and of its square. A step is
    lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon), or lr m / (sqrt(v) + epsilon).

    Args:
        learning_rate: a float, or a schedule of Keras.
        beta_1: share of m that stays.
        beta_2: share of v that stays.
        epsilon: the small number.
        bias_correction: whether steps begin at their full size; BERT was trained without.
        **kwargs: those of ``keras.optimizers.Adam``.

    Raises:
        ValueError: on weights in half precision, which rounds beta_2 to 1 or epsilon to 0.

    Example:
        >>> from bert4keras.optimizers import Adam
        >>> Adam(2e-5, bias_correction=False).epsilon
        1e-06
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        bias_correction=True,
        **kwargs,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.bias_correction = bias_correction

    def build(self, variables):
        for dtype in sorted({variable.dtype for variable in variables}):
            self._check_held(dtype)
        super().build(variables)

    def _check_held(self, dtype):
        for name, lost in ("beta_2", 1), ("epsilon", 0):
            value = getattr(self, name)
            if value != lost and float(np.asarray(value, dtype)) == lost:
                raise ValueError(
                    f"Adam computes in the precision of the weights, and {name}={value} is {lost} "
                    f"in {dtype}: nothing sound would be learnt. Keep weights in float32, with the "
                    "policy mixed_bfloat16 or mixed_float16"
                )

    def update_step(self, gradient, variable, learning_rate):
        if not self.bias_correction:  # take out what Keras is about to put in
            dtype, betas = variable.dtype, (self.beta_1, self.beta_2)
            t = ops.cast(self.iterations + 1, dtype)
            first, second = (1 - ops.power(ops.cast(beta, dtype), t) for beta in betas)
            learning_rate = ops.cast(learning_rate, dtype) * first / ops.sqrt(second)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "bias_correction": self.bias_correction}
