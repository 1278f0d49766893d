"""Feed-forward layer of a transformer block."""

from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Activation, Initializer, Shape, Tensor
from bert4keras.checks import check_arguments, check_boolean, check_size
from bert4keras.layers.base import Layer, inner_dense, register


@register
class FeedForward(Layer):
    """Two dense layers; with several activations, a gated product of as many (arXiv:2002.05202).

    Args:
        units: size between the two.
        activation: a name or function; or a list of them, whose activated projections are
            multiplied: ``["gelu", "linear"]`` is GEGLU.
        use_bias: biases on all dense layers.
        kernel_initializer: initializer of all kernels.

    Call arguments:
        inputs: (B, ..., D).

    Returns:
        A tensor like the input; its mask passes.
    """

    is_positionwise = True

    def __init__(
        self,
        units: int,
        activation: Activation | list[Activation] = "relu",
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = units
        activations = activation if isinstance(activation, list | tuple) else [activation]
        self.activation: list[Any] = [backend.get_activation(name) for name in activations]
        self.use_bias = use_bias
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)
        check_arguments(self, check_size, "units")
        check_arguments(self, check_boolean, "use_bias")
        if not activations:
            raise ValueError(f"Expected activation of {type(self).__name__} to name one, got [].")

    def build(self, input_shape: Shape) -> None:
        for i, _ in enumerate(self.activation):
            setattr(self, f"i{i}_dense", inner_dense(self, f"i{i}_dense", self.units, input_shape))
        self.o_dense: Any = inner_dense(
            self, "o_dense", input_shape[-1], (*input_shape[:-1], self.units)
        )

    @backend.recompute_grad
    def call(self, inputs: Tensor) -> Tensor:
        # of two axes, TensorFlow computes product, bias and activation in one pass
        rows = ops.reshape(inputs, (-1, inputs.shape[-1]))
        x = self.activation[0](self.i0_dense(rows))
        for i, activation in enumerate(self.activation[1:], 1):
            x = x * activation(getattr(self, f"i{i}_dense")(rows))
        return ops.reshape(self.o_dense(x), ops.shape(inputs))

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": [backend.activation_config(function) for function in self.activation],
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
