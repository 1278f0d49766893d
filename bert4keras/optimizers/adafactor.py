"""AdaFactor, which stores two vectors in place of the second moment of a matrix."""

from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.backend import root_mean_square
from bert4keras.backend.types import Tensor
from bert4keras.checks import check_arguments, check_boolean, check_integer, check_number
from bert4keras.optimizers import patterns
from bert4keras.optimizers.base import (
    DenseGradients,
    LearningRate,
    check_learning_rate,
    register,
)


@register
class AdaFactor(DenseGradients, keras.optimizers.Optimizer):
    """AdaFactor (Shazeer & Stern, arXiv:1804.04235), the optimizer of T5.

    The second moment v of a matrix is estimated from its means r over columns and c over rows, as
    r c / mean(r). A step is the gradient over sqrt(v), clipped to the root mean square
    ``clipping_threshold``, times the learning rate, times the root mean square of the weights.

    Args:
        learning_rate: a float, a Keras schedule, or None for min(1 / sqrt(t), 0.01), and a
            twentieth of it without ``multiply_by_parameter_scale``; t counts updates. A rate that
            a callback or a script assigns later replaces it.
        beta1: decay rate of the momentum; 0 for no momentum.
        beta2: decay rate of the second moment; None for 1 - t^-0.8.
        epsilon1: constant added to squared gradients.
        epsilon2: lower bound of the root mean square of weights.
        multiply_by_parameter_scale: scale steps by the root mean square of the weights.
        clipping_threshold: largest root mean square of a step; None for no clipping.
        min_dim_size_to_factor: v is factored if the two longest axes have at least this size.
        exclude_from_parameter_scale: regular expressions, searched in paths of variables whose
            steps are not scaled by their weights.
        **kwargs: arguments of ``keras.optimizers.Optimizer``.

    Raises:
        ValueError: a pattern is not a regular expression.

    Example:
        >>> from bert4keras.optimizers import AdaFactor
        >>> round(float(AdaFactor(learning_rate=None).learning_rate), 6)
        0.01
    """

    def __init__(
        self,
        learning_rate: LearningRate | None = 1e-3,
        beta1: float = 0.0,
        beta2: float | None = None,
        epsilon1: float = 1e-30,
        epsilon2: float = 1e-3,
        multiply_by_parameter_scale: bool = True,
        clipping_threshold: float | None = 1.0,
        min_dim_size_to_factor: int = 128,
        exclude_from_parameter_scale: patterns.Patterns = None,
        **kwargs: Any,
    ) -> None:
        rate = 1.0 if learning_rate is None else check_learning_rate(learning_rate)
        super().__init__(rate, **kwargs)
        self.relative_step: bool = learning_rate is None
        self.beta1: float = beta1
        self.beta2: float | None = beta2
        self.epsilon1: float = epsilon1
        self.epsilon2: float = epsilon2
        self.multiply_by_parameter_scale: bool = multiply_by_parameter_scale
        self.clipping_threshold: float | None = clipping_threshold
        self.min_dim_size_to_factor: int = min_dim_size_to_factor
        self.exclude_from_parameter_scale: tuple[str, ...] = patterns.validate_patterns(
            exclude_from_parameter_scale, "exclude_from_parameter_scale"
        )
        check_arguments(self, check_number, "beta1", minimum=0, below=1)
        check_arguments(self, check_number, "beta2", is_optional=True, minimum=0, below=1)
        check_arguments(self, check_number, "epsilon1", "epsilon2", minimum=0)
        check_arguments(self, check_number, "clipping_threshold", is_optional=True, above=0)
        check_arguments(self, check_boolean, "multiply_by_parameter_scale")
        check_arguments(self, check_integer, "min_dim_size_to_factor", minimum=0)

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        exclusions = self.exclude_from_parameter_scale
        patterns.warn_unmatched(exclusions, variables, "exclude_from_parameter_scale")
        self._moments = [self._add_moments(variable) for variable in variables]
        if self.beta1:
            self._momentums = self.add_optimizer_variables(variables, "momentum")

    def _add_moments(self, variable):
        """Create the second moment, or its means over each of the two longest axes."""
        axes = self._find_factored_axes(variable.shape) or (None,)
        shapes = [
            [1 if i == axis else size for i, size in enumerate(variable.shape)] for axis in axes
        ]
        name = variable.path.replace("/", "_")
        names = [f"{name}_mean_{axis}" if axis is not None else f"{name}_moment" for axis in axes]
        return [
            self.add_variable(shape, dtype=variable.dtype, name=name)
            for shape, name in zip(shapes, names)
        ]

    def _find_factored_axes(self, shape):
        """Return the two longest axes, or None if the second moment is not factored."""
        longest = [int(axis) for axis in np.argsort(shape, kind="stable")[-2:]]
        are_long = [shape[axis] >= self.min_dim_size_to_factor for axis in longest]
        return longest if len(shape) > 1 and all(are_long) else None

    # With ``learning_rate=None`` the variable of the rate holds 1, or minus an assigned rate:
    # compiled programs read the variable, and it is saved.

    def _get_current_learning_rate(self):
        rate = super()._get_current_learning_rate()
        if not self._has_relative_variable():
            return rate
        rate = ops.convert_to_tensor(rate)
        relative = ops.minimum(ops.rsqrt(self._next_update("float32")), 0.01)
        relative = ops.cast(relative, rate.dtype)
        relative = relative * (1.0 if self.multiply_by_parameter_scale else 0.05)
        return ops.where(rate > 0, relative, -rate)

    def _has_relative_variable(self):
        """True unless the rate is a number of the constructor, or a schedule."""
        return self.relative_step and isinstance(self._learning_rate, keras.Variable)

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next update; assign a number to use this rate from now on."""
        return super().learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if self._has_relative_variable() and not callable(value):
            value = -check_number("learning_rate", float(ops.convert_to_numpy(value)), minimum=0)
        keras.optimizers.Optimizer.learning_rate.fset(self, value)

    def _next_update(self, dtype):
        return ops.cast(self.iterations + 1, dtype)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        dtype = variable.dtype
        gradient, step = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        update = gradient * ops.rsqrt(self._update_second_moment(gradient, variable))
        if self.clipping_threshold is not None:
            excess = root_mean_square(update) / self.clipping_threshold
            update = update / ops.maximum(excess, 1.0)
        if self.beta1:
            momentum = self._momentums[self._get_variable_index(variable)]
            update = self._update_average(momentum, update, self.beta1)
        exclusions = self.exclude_from_parameter_scale
        if self.multiply_by_parameter_scale and not patterns.matches_any(
            exclusions, patterns.get_variable_path(self, variable)
        ):
            scale = root_mean_square(ops.convert_to_tensor(variable))
            step = step * ops.maximum(scale, self.epsilon2)
        self.assign_sub(variable, step * update)

    def _update_second_moment(self, gradient, variable):
        t = self._next_update(variable.dtype)
        beta2 = 1.0 - ops.power(t, -0.8) if self.beta2 is None else self.beta2
        square = ops.square(gradient) + self.epsilon1
        moments = self._moments[self._get_variable_index(variable)]
        axes = self._find_factored_axes(variable.shape)
        if axes is None:
            return self._update_average(moments[0], square, beta2)
        means = [ops.mean(square, axis=axis, keepdims=True) for axis in axes]
        r, c = (self._update_average(*pair, beta2) for pair in zip(moments, means))
        return r / ops.mean(r, axis=axes[1], keepdims=True) * c

    def _update_average(self, average, value, decay):
        average_value = decay * average + (1.0 - decay) * value
        self.assign(average, average_value)
        return average_value

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self._has_relative_variable():
            rate = config["learning_rate"]
            config["learning_rate"] = None
            config |= {"assigned_learning_rate": -rate} if rate <= 0 else {}
        return {
            **config,
            "beta1": self.beta1,
            "beta2": self.beta2,
            "epsilon1": self.epsilon1,
            "epsilon2": self.epsilon2,
            "multiply_by_parameter_scale": self.multiply_by_parameter_scale,
            "clipping_threshold": self.clipping_threshold,
            "min_dim_size_to_factor": self.min_dim_size_to_factor,
            "exclude_from_parameter_scale": list(self.exclude_from_parameter_scale),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], *args: Any, **kwargs: Any) -> "AdaFactor":
        config = dict(config)
        rate = config.pop("assigned_learning_rate", None)
        optimizer = super().from_config(config, *args, **kwargs)
        if rate is not None:
            optimizer.learning_rate = rate
        return optimizer
