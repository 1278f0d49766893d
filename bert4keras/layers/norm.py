"""Layer normalization and RMS norm, plain and conditional."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Activation, Initializer, Shape, Tensor
from bert4keras.checks import check_arguments, check_boolean, check_number, check_size
from bert4keras.layers.base import Layer, register


@register
class ScaleOffset(Layer):
    """Scale and offset ``x * gamma + beta`` on the last axis, which a condition may change.

    With ``conditional`` this is the affine half of Conditional Layer Normalization
    (https://kexue.fm/archives/7124): gamma and beta each gain a bias-free linear map of the
    condition, which starts at zero and so leaves a pretrained model unchanged.

    Args:
        scale: True for a learnt gamma, False or None for none, a number for a constant.
        offset: the same for beta.
        conditional: take inputs ``[x, condition]``.
        hidden_units: size of a bottleneck between condition and maps; None for no bottleneck.
        hidden_activation: activation of the bottleneck.
        hidden_initializer: initializer of the bottleneck.

    Call arguments:
        inputs: x (B, ..., D), or ``[x (B, ..., D), condition (B, C)]``.

    Returns:
        A tensor like x; its mask passes.
    """

    is_positionwise = True

    def __init__(
        self,
        scale: bool | float | None = True,
        offset: bool | float | None = True,
        conditional: bool = False,
        hidden_units: int | None = None,
        hidden_activation: Activation = "linear",
        hidden_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.scale: Any = scale
        self.offset: Any = offset
        self.conditional = conditional
        self.hidden_units = hidden_units
        self.hidden_activation: Callable[..., Any] = backend.get_activation(hidden_activation)
        self.hidden_initializer: Any = keras.initializers.get(hidden_initializer)
        check_arguments(self, check_number, *self._find_numbers(), is_optional=True)
        check_arguments(self, check_boolean, "conditional")
        check_arguments(self, check_size, "hidden_units", is_optional=True)

    def _find_numbers(self):
        return [x for x in ("scale", "offset") if not isinstance(getattr(self, x), bool)]

    def build(self, input_shape: Shape) -> None:
        x_shape, condition_shape = input_shape if self.conditional else (input_shape, None)
        size = x_shape[-1]
        if self.offset is True:
            self.beta: Any = self.add_weight(shape=(size,), initializer="zeros", name="beta")
        if self.scale is True:
            self.gamma: Any = self.add_weight(shape=(size,), initializer="ones", name="gamma")
        if self.conditional:
            self._build_condition(condition_shape, size)

    def _build_condition(self, shape, size):
        if self.hidden_units is not None:
            self.hidden_dense: Any = self._linear(
                "hidden_dense", self.hidden_units, self.hidden_initializer, self.hidden_activation
            )
            self.hidden_dense.build(shape)
            shape = (*shape[:-1], self.hidden_units)
        if self._is_on(self.offset):
            self.beta_dense: Any = self._linear("beta_dense", size, "zeros")
            self.beta_dense.build(shape)
        if self._is_on(self.scale):
            self.gamma_dense: Any = self._linear("gamma_dense", size, "zeros")
            self.gamma_dense.build(shape)

    def _linear(self, name, units, initializer, activation=None):
        return keras.layers.Dense(
            units, activation, False, initializer, dtype=self.dtype_policy, name=name
        )

    @staticmethod
    def _is_on(value):
        return value is not False and value is not None

    @backend.recompute_grad
    def call(self, inputs: Any) -> Tensor:
        x, condition = inputs if self.conditional else (inputs, None)
        return ops.cast(self._affine(ops.cast(x, "float32"), condition), self.compute_dtype)

    def _affine(self, x, condition):
        """Return x * gamma + beta for a float32 x."""
        if self.conditional:
            if self.hidden_units is not None:
                condition = self.hidden_dense(condition)
            axes = list(range(1, len(x.shape) - 1))
            condition = ops.expand_dims(condition, axes) if axes else condition
        if self._is_on(self.scale):
            gamma = self.gamma if self.scale is True else float(self.scale)
            gamma = ops.cast(gamma, "float32")
            x = x * (
                gamma + ops.cast(self.gamma_dense(condition), "float32")
                if self.conditional
                else gamma
            )
        if self._is_on(self.offset):
            beta = self.beta if self.offset is True else float(self.offset)
            beta = ops.cast(beta, "float32")
            x = x + (
                beta + ops.cast(self.beta_dense(condition), "float32") if self.conditional else beta
            )
        return x

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        x = inputs[0] if self.conditional else inputs
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask[0] if self.conditional and mask is not None else mask

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "offset": self.offset,
            "conditional": self.conditional,
            "hidden_units": self.hidden_units,
            "hidden_activation": backend.activation_config(self.hidden_activation),
            "hidden_initializer": keras.initializers.serialize(self.hidden_initializer),
        }


@register
class LayerNormalization(ScaleOffset):
    """Layer normalization (arXiv:1607.06450), RMS norm (arXiv:1910.07467), and both conditional.

    Args:
        zero_mean: subtract the mean; False with ``offset=False`` is the RMS norm.
        unit_variance: divide by the standard deviation (or the root mean square).
        epsilon: added to the variance under the root; None is Keras' epsilon, 1e-7.
        **kwargs: as for ``ScaleOffset``.

    Computes in float32 under any dtype policy.

    Example:
        >>> from bert4keras.backend import K
        >>> from bert4keras.layers import LayerNormalization
        >>> K.eval(LayerNormalization()(K.constant([[1.0, 3.0]]))).round(3).tolist()
        [[-1.0, 1.0]]
    """

    is_positionwise = True

    def __init__(
        self,
        zero_mean: bool = True,
        unit_variance: bool = True,
        epsilon: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.zero_mean = zero_mean
        self.unit_variance = unit_variance
        self.epsilon: float = epsilon or keras.config.epsilon()
        check_arguments(self, check_boolean, "zero_mean", "unit_variance")
        check_arguments(self, check_number, "epsilon", above=0)

    @backend.recompute_grad
    def call(self, inputs: Any) -> Tensor:
        x, condition = inputs if self.conditional else (inputs, None)
        x = ops.cast(x, "float32")
        if self.zero_mean:
            x = x - ops.mean(x, axis=-1, keepdims=True)
        if self.unit_variance:
            variance = ops.mean(ops.square(x), axis=-1, keepdims=True)
            x = x * ops.rsqrt(variance + self.epsilon)
        return ops.cast(self._affine(x, condition), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "zero_mean": self.zero_mean,
            "unit_variance": self.unit_variance,
            "epsilon": self.epsilon,
        }
