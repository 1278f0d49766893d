"""The feed-forward half of a transformer block."""

import keras

from bert4keras import backend
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
        units,
        activation="relu",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        several = activation if isinstance(activation, list | tuple) else [activation]
        self.activation = [backend.get_activation(name) for name in several]
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        for i, _ in enumerate(self.activation):
            setattr(self, f"i{i}_dense", inner_dense(self, f"i{i}_dense", self.units, input_shape))
        self.o_dense = inner_dense(
            self, "o_dense", input_shape[-1], (*input_shape[:-1], self.units)
        )

    @backend.recompute_grad
    def call(self, inputs):
        x = self.activation[0](self.i0_dense(inputs))
        for i, activation in enumerate(self.activation[1:], 1):
            x = x * activation(getattr(self, f"i{i}_dense")(inputs))
        return self.o_dense(x)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": [backend.activation_config(one) for one in self.activation],
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
