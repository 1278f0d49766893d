"""AdaFactor, which keeps two vectors for a matrix."""

import keras
import numpy as np
from keras import ops

from bert4keras.backend import root_mean_square
from bert4keras.optimizers import patterns
from bert4keras.optimizers.extension import DenseGradients, register


@register
class AdaFactor(DenseGradients, keras.optimizers.Optimizer):
    """AdaFactor (Shazeer & Stern, arXiv:1804.04235), the optimizer of T5.

    The second moment v of a matrix is rebuilt from its means r over columns and c over rows, as
    r c / mean(r). A step is the gradient over sqrt(v), cut to the root mean square
    ``clipping_threshold``, times the learning rate, times the root mean square of the weights.

    Args:
        learning_rate: a float, a schedule of Keras, or None for min(1 / sqrt(t), 0.01), a
            twentieth of it without ``multiply_by_parameter_scale``; t counts updates.
        beta1: share of the momentum that stays; 0 keeps none.
        beta2: share of the second moment that stays; None for 1 - t^-0.8.
        epsilon1: added to squares of gradients.
        epsilon2: the least root mean square that weights count with.
        multiply_by_parameter_scale: whether steps follow the size of the weights.
        clipping_threshold: the largest root mean square of a step; None for any.
        min_dim_size_to_factor: v is rebuilt where the two longest axes are at least so long.
        exclude_from_parameter_scale: regular expressions, searched in paths of variables whose
            steps do not follow their size.
        **kwargs: those of ``keras.optimizers.Optimizer``.

    Raises:
        ValueError: a pattern that is no regular expression.

    Example:
        >>> from bert4keras.optimizers import AdaFactor
        >>> round(float(AdaFactor(learning_rate=None).learning_rate), 6)
        0.01
    """

    def __init__(
        self,
        learning_rate=1e-3,
        beta1=0.0,
        beta2=None,
        epsilon1=1e-30,
        epsilon2=1e-3,
        multiply_by_parameter_scale=True,
        clipping_threshold=1.0,
        min_dim_size_to_factor=128,
        exclude_from_parameter_scale=None,
        **kwargs,
    ):
        super().__init__(1.0 if learning_rate is None else learning_rate, **kwargs)
        self.relative_step = learning_rate is None
        self.beta1, self.beta2 = beta1, beta2
        self.epsilon1, self.epsilon2 = epsilon1, epsilon2
        self.multiply_by_parameter_scale = multiply_by_parameter_scale
        self.clipping_threshold = clipping_threshold
        self.min_dim_size_to_factor = min_dim_size_to_factor
        self.exclude_from_parameter_scale = patterns.checked(
            exclude_from_parameter_scale, "exclude_from_parameter_scale"
        )

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        excluded = self.exclude_from_parameter_scale
        patterns.warn_of_idle(excluded, variables, "exclude_from_parameter_scale")
        self._moments = [self._add_moments(variable) for variable in variables]
        if self.beta1:
            self._momentums = self.add_optimizer_variables(variables, "momentum")

    def _add_moments(self, variable):
        """The second moment, or its means over each of the two longest axes."""
        axes = self._factored_axes(variable.shape) or (None,)
        shapes = [
            [1 if i == axis else size for i, size in enumerate(variable.shape)] for axis in axes
        ]
        name = variable.path.replace("/", "_")
        names = [f"{name}_mean_{axis}" if axis is not None else f"{name}_moment" for axis in axes]
        return [
            self.add_variable(shape, dtype=variable.dtype, name=name)
            for shape, name in zip(shapes, names)
        ]

    def _factored_axes(self, shape):
        longest = [int(axis) for axis in np.argsort(shape, kind="stable")[-2:]]
        long_enough = [shape[axis] >= self.min_dim_size_to_factor for axis in longest]
        return longest if len(shape) > 1 and all(long_enough) else None

    def _get_current_learning_rate(self):
        rate = super()._get_current_learning_rate()
        if not self.relative_step:
            return rate
        relative = ops.minimum(ops.rsqrt(self._t("float32")), 0.01)
        return rate * relative * (1.0 if self.multiply_by_parameter_scale else 0.05)

    def _t(self, dtype):
        return ops.cast(self.iterations + 1, dtype)

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        gradient, step = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        update = gradient * ops.rsqrt(self._second_moment(gradient, variable))
        if self.clipping_threshold is not None:
            excess = root_mean_square(update) / self.clipping_threshold
            update = update / ops.maximum(excess, 1.0)
        if self.beta1:
            momentum = self._momentums[self._get_variable_index(variable)]
            update = self._averaged(momentum, update, self.beta1)
        excluded = self.exclude_from_parameter_scale
        if self.multiply_by_parameter_scale and not patterns.chooses(
            excluded, patterns.path_of(self, variable)
        ):
            size = root_mean_square(ops.convert_to_tensor(variable))
            step = step * ops.maximum(size, self.epsilon2)
        self.assign_sub(variable, step * update)

    def _second_moment(self, gradient, variable):
        t = self._t(variable.dtype)
        beta2 = 1.0 - ops.power(t, -0.8) if self.beta2 is None else self.beta2
        square = ops.square(gradient) + self.epsilon1
        moments = self._moments[self._get_variable_index(variable)]
        if len(moments) == 1:
            return self._averaged(moments[0], square, beta2)
        axes = self._factored_axes(variable.shape)
        means = [ops.mean(square, axis=axis, keepdims=True) for axis in axes]
        r, c = (self._averaged(*both, beta2) for both in zip(moments, means))
        return r / ops.mean(r, axis=axes[1], keepdims=True) * c

    def _averaged(self, average, new, beta):
        value = beta * average + (1.0 - beta) * new
        self.assign(average, value)
        return value

    def get_config(self):
        config = super().get_config()
        return {
            **config,
            "learning_rate": None if self.relative_step else config["learning_rate"],
            "beta1": self.beta1,
            "beta2": self.beta2,
            "epsilon1": self.epsilon1,
            "epsilon2": self.epsilon2,
            "multiply_by_parameter_scale": self.multiply_by_parameter_scale,
            "clipping_threshold": self.clipping_threshold,
            "min_dim_size_to_factor": self.min_dim_size_to_factor,
            "exclude_from_parameter_scale": list(self.exclude_from_parameter_scale),
        }
